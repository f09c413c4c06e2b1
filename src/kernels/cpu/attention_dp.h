// NUM-P2 for attention by vdpbf16ps, which flushes by itself; include simd_avx512.h first.
#pragma once

#include "kernels/cpu/attention_pairs.h"

namespace invar::cpu {
namespace {

struct DpDot : PairDot<DpDot, int32_t, 1> {
  // Queries: [D / 2, R] pairs of a microtile.
  static constexpr int64_t kQueryFloats = 8;
  static constexpr int kRowsMax = 12;
  static constexpr int kRows[] = {1, 2, 3, 4, 6, 8, 12};
  static constexpr int panels(int rows) { return rows <= 2 ? 8 : rows <= 6 ? 4 : 2; }

  struct Scope {};  // vdpbf16ps ignores MXCSR

  static void pack_query(const bf16* q, int64_t dim, int64_t r, int64_t padded, int32_t* out) {
    for (int64_t k = 0; k < dim; k += 2) __builtin_memcpy(out + k / 2 * padded + r, q + k, sizeof(int32_t));
  }

  INVAR_SIMD static F32x16 dot(F32x16 acc, I32x16 line, int32_t pair) {
    return F32x16(_mm512_dpbf16_ps(acc.v, (__m512bh)line.v, (__m512bh)_mm512_set1_epi32(pair)));
  }

  // The chain over `pairs` pairs; pair k of row r is a[k, r] of R rows for kStride = 0, or a[r, k] with kStride a row.
  template <int R, int P, int kStride>
  INVAR_SIMD static void chain(F32x16 (&acc)[R][P], const int32_t* a, const bf16* const (&w)[P],
                               const bf16* const (&ahead)[P], int64_t pairs) {
    for (int64_t k = 0; k < pairs; ++k) {
      DpDot::template prefetch<R>(ahead, k);
      I32x16 line[P];
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) line[i] = load_i32(reinterpret_cast<const int32_t*>(w[i] + k * 32));
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const int32_t pair = kStride == 0 ? a[k * R + r] : a[r * kStride + k];
#pragma GCC unroll 8
        for (int i = 0; i < P; ++i) acc[r][i] = dot(acc[r][i], line[i], pair);
      }
    }
  }

  // A pair whose odd half is masked: zero, whatever the page holds there.
  [[gnu::noinline]] static void last_values(const Block& block, const float* weights, int64_t t, int64_t,
                                            float* o) {
    const int32_t pair = reinterpret_cast<const int32_t*>(weights)[t / 2];
    for (int64_t d = 0; d < block.dim; d += 16) {
      const bf16* line = block.v[t / 16] + d / 16 * block.v_stride + t % 16 * 16;
      const I32x16 even = load_i32(reinterpret_cast<const int32_t*>(line)) & I32x16(0x0000ffffu);
      store_f32(o + d, dot(load_f32(o + d), even, pair));
    }
  }

  // No weight is subnormal, so the instruction's flush does nothing here.
  INVAR_SIMD static void store_weights(float* s, int64_t g, F32x16 w) {
    const __m256bh rounded = _mm512_cvtneps_pbh(w.v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<bf16*>(s) + g * 16), (__m256i)rounded);
  }
};

}  // namespace
}  // namespace invar::cpu
