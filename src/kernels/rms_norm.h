// rms_norm: root-mean-square normalisation of rows, with or without a residual addition before it.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct RmsNormArgs {
  const bf16* x;  // [rows, groups, C], rows x_stride apart
  bf16*
      residual;  // null, or [rows, groups * C] contiguous: becomes bf16(residual + x), and that is normalised
  const bf16* weight;  // [C]
  bf16* out;           // [rows, groups, C], rows out_stride apart; may be x itself
  int64_t x_stride;    // elements between rows, >= groups * C
  int64_t out_stride;
  int64_t rows;        // >= 0
  int64_t groups = 1;  // normalised vectors side by side in a row: 1, or the heads of a q/k norm
  int64_t dim;         // C > 0
  float eps;           // added to the mean square, before the root
};

// h = x, or residual = bf16(residual + x), h = residual
// out[r, g, c] = bf16((h[r, g, c] * (1 / sqrt(sum_c(h^2) / C + eps))) * weight[c])
//
// Numerics  NUM-RED for the sum of squares; one fp32 addition and NUM-BF16 for the residual; every other operation is
//           one fp32 rounding in the order written (division, addition, square root, reciprocal, two products).
// Batch     A vector is computed from itself alone.
// Threads   Rows are divided between threads, a row never.
// Cost      Reads x (and residual) once from memory, writes out (and residual) once.
// Source    Zhang and Sennrich 2019, arXiv:1910.07467; transformers LlamaRMSNorm.
void rms_norm(Queue& queue, const RmsNormArgs& args);

}  // namespace invar
