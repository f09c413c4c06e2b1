// NUM-H16 for attention_backward; include a simd_*.h and the matching h16_*.h first.
#pragma once

#include "kernels/cpu/attention_backward_pack.h"
#include "kernels/cpu/h16_body.h"

namespace invar::cpu {
namespace {

struct H16Product : PairOperands {
  static constexpr int kRows = 16, kRowsRest = 16, kPanels = 1;

  struct Scope {};  // no flags

  // acc += a w over `count` elements of k, a multiple of 16: a group of lines is expanded once for all rows.
  template <int R, int P, int kRow, int kK>
  static void chain(F32x16 (&acc)[R][P], const int32_t* a, int64_t row_stride, const Lines<int32_t>& lines,
                    int64_t count) {
    H16Weights weights;
    H16Row row;
    const int32_t* w = lines.data;
    for (int64_t k = 0; k < count; k += 16, a += 8 * kK, w += 8 * kLanes) {
      h16_expand_weights(reinterpret_cast<const bf16*>(w), &weights);
#pragma GCC unroll 1
      for (int r = 0; r < R; ++r) {
        int32_t pairs[8];
        for (int i = 0; i < 8; ++i) pairs[i] = a[r * (kRow == 0 ? row_stride : kRow) + i * kK];
        h16_expand_row(reinterpret_cast<const bf16*>(pairs), &row);
        acc[r][0] = h16_step(acc[r][0], row, weights);
      }
    }
  }
};

}  // namespace
}  // namespace invar::cpu
