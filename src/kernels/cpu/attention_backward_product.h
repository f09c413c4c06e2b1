// The products of attention_backward for all SIMD tiers; include a simd_*.h first.
//
// All five have one form: 16 rows of broadcasts times lines of 16 lanes, a chain over k in ascending order,
// accumulators in registers. Dot::Element holds Dot::kPerElement neighbours along k, and lies
//   lines   [panels, k / kPerElement, 16]: what streams by; panels `panel_stride` apart
//   rows    element (r, k) at r * row stride + k * k stride
// so every operand is packed once for the products that share it. A tier's Dot: attention_backward_p2.h (fma32 by
// FMAs), attention_backward_dp.h (fma32 by vdpbf16ps), attention_backward_h16.h (tc16).
#pragma once

#include "kernels/cpu/attention_backward_task.h"

namespace invar::cpu {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kGroupRows = AttentionBackwardScratch::kRows;

// Lines of one operand.
template <class Element>
struct Lines {
  const Element* data;
  int64_t panel_stride;  // elements
  int64_t line_stride;

  INVAR_SIMD Lines at(int64_t panel, int64_t line) const {
    return {data + panel * panel_stride + line * line_stride, panel_stride, line_stride};
  }
};

// acc[r, 16 p ...] of 16 rows; `first`: the chains start at +0, acc is written only.
struct Accumulators {
  float* data;
  int64_t row_stride;
  bool first;
};

// Elements of k are `count`. kRow, kK: strides of the rows; kRow = 0: row_stride.
template <class Dot>
struct Product {
  const typename Dot::Element* rows;
  int64_t row_stride;
  Lines<typename Dot::Element> lines;
  Accumulators acc;
  int64_t panels;
  int64_t count;
};

// One microtile: R rows from row r on, P panels.
template <class Dot, int kRow, int kK, int R, int P>
[[gnu::noinline]] void microtile(const Product<Dot>& product, int64_t row, int64_t panel) {
  const int64_t row_stride = kRow == 0 ? product.row_stride : kRow;
  F32x16 acc[R][P];
  float* out = product.acc.data + row * product.acc.row_stride + panel * kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int i = 0; i < P; ++i)
      acc[r][i] = product.acc.first ? F32x16(0.0f) : load_f32(out + r * product.acc.row_stride + i * kLanes);
  Dot::template chain<R, P, kRow, kK>(acc, product.rows + row * row_stride, row_stride,
                                      product.lines.at(panel, 0), product.count);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int i = 0; i < P; ++i) store_f32(out + r * product.acc.row_stride + i * kLanes, acc[r][i]);
}

// All 16 rows of P panels, in microtiles of Dot::kRows, Dot::kRowsRest, ... rows.
template <class Dot, int kRow, int kK, int P>
INVAR_SIMD void microtiles(const Product<Dot>& product, int64_t panel) {
  constexpr int kFirst = Dot::kRows, kRest = Dot::kRowsRest;
  microtile<Dot, kRow, kK, kFirst, P>(product, 0, panel);
  if constexpr (kFirst < kGroupRows) {
#pragma GCC unroll 1
    for (int64_t row = kFirst; row < kGroupRows; row += kRest)
      microtile<Dot, kRow, kK, kRest, P>(product, row, panel);
  }
}

// Callers set the flags of Dot::Scope, and do nothing but call this under them: the compiler does not know that MXCSR
// changes arithmetic.
template <class Dot, int kRow, int kK>
[[gnu::noinline]] void multiply(const Product<Dot>& product) {
  for (int64_t panel = 0; panel < product.panels;) {
    const int64_t left = product.panels - panel;
    if constexpr (Dot::kPanels >= 3) {
      if (left >= 3 && left != 4) {
        microtiles<Dot, kRow, kK, 3>(product, panel);
        panel += 3;
        continue;
      }
    }
    if constexpr (Dot::kPanels >= 2) {
      if (left >= 2) {
        microtiles<Dot, kRow, kK, 2>(product, panel);
        panel += 2;
        continue;
      }
    }
    microtiles<Dot, kRow, kK, 1>(product, panel);
    panel += 1;
  }
}

}  // namespace
}  // namespace invar::cpu
