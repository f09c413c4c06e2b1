// NUM-P2 for attention by fused multiply-adds; include a simd_*.h first.
//
// Queries and weights are widened to fp32 once and read as broadcasts; keys and values are widened in registers, once
// for the rows of a microtile. The flush is MXCSR's.
#pragma once

#include "kernels/cpu/attention_pairs.h"

namespace invar::cpu {
namespace {

struct P2Dot : PairDot<P2Dot, float, 2> {
  // Queries: [D, R] of a microtile.
  static constexpr int64_t kQueryFloats = 16;  // a row and 16 dims
#ifdef __AVX512F__
  static constexpr int kRowsMax = 12;  // 24 of 32 registers accumulate
  static constexpr int kRows[] = {1, 2, 3, 4, 6, 8, 12};
  static constexpr int panels(int rows) { return rows <= 2 ? 8 : rows <= 6 ? 4 : 2; }
#else
  static constexpr int kRowsMax = 6;  // 12 of 16 registers, two a panel
  static constexpr int kRows[] = {1, 2, 3, 4, 6};
  static constexpr int panels(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
#endif

  // Subnormals are zeros, as inputs (DAZ) and as results (FTZ).
  struct Scope {
    unsigned saved = _mm_getcsr();
    Scope() { _mm_setcsr(saved | 0x8040); }
    ~Scope() { _mm_setcsr(saved); }
  };

  static void pack_query(const bf16* q, int64_t dim, int64_t r, int64_t padded, float* out) {
    for (int64_t k = 0; k < dim; ++k) out[k * padded + r] = to_float(q[k]);
  }

  // Element k of row r: a[r, k] with kStride elements a row, or a[k, r] of R rows for kStride = 0.
  template <int R, int kStride>
  INVAR_SIMD static float element(const float* a, int64_t k, int r) {
    return kStride == 0 ? a[k * R + r] : a[r * kStride + k];
  }

  // The chain over `pairs` pairs; w[i] is where the lines of panel i begin.
  template <int R, int P, int kStride>
  INVAR_SIMD static void chain(F32x16 (&acc)[R][P], const float* a, const bf16* const (&w)[P],
                               const bf16* const (&ahead)[P], int64_t pairs) {
    const I32x16 upper = 0xffff0000u;
    for (int64_t k = 0; k < pairs; ++k) {
      P2Dot::template prefetch<R>(ahead, k);
      const auto line = [&](int i) { return load_i32(reinterpret_cast<const int32_t*>(w[i] + k * 32)); };
      F32x16 odd[P], even[P];
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) odd[i] = as_float(line(i) & upper);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const F32x16 x = element<R, kStride>(a, 2 * k + 1, r);
#pragma GCC unroll 8
        for (int i = 0; i < P; ++i) acc[r][i] = fma(x, odd[i], acc[r][i]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) even[i] = as_float(shl<16>(line(i)));
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const F32x16 x = element<R, kStride>(a, 2 * k, r);
#pragma GCC unroll 8
        for (int i = 0; i < P; ++i) acc[r][i] = fma(x, even[i], acc[r][i]);
      }
    }
  }

  // The even half of a pair whose odd half is masked: a zero term is left out.
  [[gnu::noinline]] static void last_values(const Block& block, const float* weights, int64_t t, int64_t,
                                            float* o) {
    const F32x16 x = weights[t];
    for (int64_t d = 0; d < block.dim; d += 16) {
      const bf16* line = block.v[t / 16] + d / 16 * block.v_stride + t % 16 * 16;
      const F32x16 even = as_float(shl<16>(load_i32(reinterpret_cast<const int32_t*>(line))));
      store_f32(o + d, fma(x, even, load_f32(o + d)));
    }
  }

  // NUM-BF16 without its case for NaN: a NaN here is the default one or comes from a bf16, so the sum leaves it a NaN.
  INVAR_SIMD static void store_weights(float* s, int64_t g, F32x16 w) {
    const I32x16 bits = as_int(w);
    const I32x16 rounded = bits + (I32x16(0x7fff) + (shr<16>(bits) & I32x16(1)));
    store_f32(s + g * 16, as_float(rounded & I32x16(0xffff0000u)));
  }
};

}  // namespace
}  // namespace invar::cpu
