// rms_norm_backward: gradients of root-mean-square normalisation, of rows and of the gain.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct RmsNormBackwardArgs {
  const float* d_out;  // [rows, groups, C], gradient of the norm's output, rows d_out_stride apart
  const bf16* h;  // [rows, groups, C]: what was normalised (with a residual, the sum), rows h_stride apart
  const bf16* weight;  // [C]
  float* dx_f32;       // [rows, groups, C], rows dx_stride apart; exactly one of the two outputs is set;
  bf16* dx_bf16;       // [rows, groups, C]; dx_f32 may be d_out
  bool accumulate;  // dx_f32 += dx instead of = dx, where the residual stream's gradient flows past the norm
  int64_t* d_weight;     // [C], += the gain's gradient in units of NUM-GRID; or null
  bool* overflow;        // set, never cleared, where NUM-GRID reports d_weight; needed with d_weight
  int64_t d_out_stride;  // elements between rows, >= groups * C, as the other strides
  int64_t h_stride;
  int64_t dx_stride;
  int64_t rows;        // >= 0
  int64_t groups = 1;  // normalised vectors side by side in a row: 1, or the heads of a q/k norm
  int64_t dim;         // C > 0
  float eps;
};

// With rstd = 1 / sqrt(sum_c(h^2) / C + eps), n[c] = h[c] * rstd, p[c] = d_out[c] * weight[c]:
//   mean     = (sum_c(p[c] h[c]) * rstd) / C
//   dx[c]    = rstd * fma(-n[c], mean, p[c])
//   d_weight[c] += grid(d_out[c] * n[c])
//
// Numerics  NUM-NORM-BWD: NUM-RED for both sums, rstd as the forward has it, other operations one fp32 rounding each;
//           one fp32 addition to accumulate, or NUM-BF16; every vector's value enters NUM-GRID by itself.
// Batch     dx of a vector depends on that vector alone; d_weight is a sum of integers.
// Threads   Rows are divided between threads, whose integers are added at the end.
// Cost      Reads d_out and h twice (once from memory), writes dx once.
// Source    Zhang and Sennrich 2019, arXiv:1910.07467.
void rms_norm_backward(Queue& queue, const RmsNormBackwardArgs& args);

}  // namespace invar
