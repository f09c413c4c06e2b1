// NUM-P2 for attention_backward by fused multiply-adds; include a simd_*.h first. Operands are widened to
// fp32 when they are packed. The flush is MXCSR's.
#pragma once

#include "kernels/cpu/attention_backward_pack.h"

namespace invar::cpu {
namespace {

struct P2Product {
  using Element = float;
  static constexpr int64_t kPerElement = 1;
#ifdef __AVX512F__
  static constexpr int kRows = 8, kRowsRest = 8, kPanels = 3;  // 24 of 32 registers accumulate
#else
  static constexpr int kRows = 6, kRowsRest = 5, kPanels = 1;  // 12 of 16, two a panel
#endif

  // Subnormals are zeros, as inputs (DAZ) and as results (FTZ).
  struct Scope {
    unsigned saved = _mm_getcsr();
    Scope() { _mm_setcsr(saved | 0x8040); }
    ~Scope() { _mm_setcsr(saved); }
  };

  // Both of a pair, each in a line of its own.
  INVAR_SIMD static void store_line(float* out, I32x16 pairs) {
    store_f32(out, as_float(shl<16>(pairs)));
    store_f32(out + kLanes, as_float(pairs & I32x16(0xffff0000u)));
  }

  // Rows [rows, D] are lines of 16 dims as well.
  static void pack_rows(const HeadRows& x, int64_t dim, int64_t rows, int64_t, float* out) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t d = 0; d < dim; d += kLanes) store_f32(out + r * dim + d, load_dims(x, r, d));
  }
  INVAR_SIMD static Lines<float> dim_lines(const float* packed, int64_t dim, int64_t) {
    return {packed, kLanes, dim};
  }

  INVAR_SIMD static void store_pair(float* out, F32x16 even, F32x16 odd) {
    store_f32(out, even);
    store_f32(out + kLanes, odd);
  }
  INVAR_SIMD static void store_row(float* row, int64_t panel, F32x16 x) {
    store_f32(row + panel * kLanes, x);
  }

  // acc += a w over `count` elements of k, of each pair the odd one first.
  template <int R, int P, int kRow, int kK>
  INVAR_SIMD static void chain(F32x16 (&acc)[R][P], const float* a, int64_t row_stride,
                               const Lines<float>& lines, int64_t count) {
    const float* w = lines.data;
    for (int64_t k = 0; k < count; k += 2, a += 2 * kK, w += 2 * lines.line_stride) {
#pragma GCC unroll 2
      for (int odd = 1; odd >= 0; --odd) {
        F32x16 line[P];
#pragma GCC unroll 3
        for (int i = 0; i < P; ++i) line[i] = load_f32(w + odd * lines.line_stride + i * lines.panel_stride);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const F32x16 x = a[r * (kRow == 0 ? row_stride : kRow) + odd * kK];
#pragma GCC unroll 3
          for (int i = 0; i < P; ++i) acc[r][i] = fma(x, line[i], acc[r][i]);
        }
      }
    }
  }
};

}  // namespace
}  // namespace invar::cpu
