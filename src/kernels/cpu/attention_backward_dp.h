// NUM-P2 for attention_backward by vdpbf16ps, which flushes by itself; include simd_avx512.h first.
#pragma once

#include "kernels/cpu/attention_backward_pack.h"

namespace invar::cpu {
namespace {

struct DpProduct : PairOperands {
  static constexpr int kRows = 8, kRowsRest = 8, kPanels = 3;

  struct Scope {};  // vdpbf16ps ignores MXCSR

  // acc += a w over `count` elements of k.
  template <int R, int P, int kRow, int kK>
  INVAR_SIMD static void chain(F32x16 (&acc)[R][P], const int32_t* a, int64_t row_stride,
                               const Lines<int32_t>& lines, int64_t count) {
    const int32_t* w = lines.data;
    for (int64_t k = 0; k < count; k += 2, a += kK, w += kLanes) {
      I32x16 line[P];
#pragma GCC unroll 3
      for (int i = 0; i < P; ++i) line[i] = load_i32(w + i * lines.panel_stride);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m512i pair = _mm512_set1_epi32(a[r * (kRow == 0 ? row_stride : kRow)]);
#pragma GCC unroll 3
        for (int i = 0; i < P; ++i)
          acc[r][i].v = _mm512_dpbf16_ps(acc[r][i].v, (__m512bh)pair, (__m512bh)line[i].v);
      }
    }
  }
};

}  // namespace
}  // namespace invar::cpu
