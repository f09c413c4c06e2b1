// rope_backward: the gradient of rotary position embedding, the inverse rotation of fp32 gradients.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct RopeBackwardArgs {
  const float* d_out;        // [rows, heads, D], gradient of rope's output, rows d_out_stride apart
  int64_t d_out_stride;      // elements, >= heads * D
  const int32_t* positions;  // [rows], each in [0, table rows)
  const float* cos_sin;      // [positions, 2, D / 2], as rope()'s
  bf16* dx_bf16;             // [rows, heads, D], rows dx_stride apart; exactly one of the two outputs is set
  float* dx_f32;             // [rows, heads, D]; may be d_out
  int64_t dx_stride;         // elements, >= heads * D
  int64_t rows;
  int64_t heads;
  int64_t head_dim;  // D, even
};

// With i < D/2, a = d_out[i], b = d_out[i + D/2], c and s of the row's position:
//   dx[i]       = fma(a, c, b * s)
//   dx[i + D/2] = fma(b, c, -(a * s))
//
// Numerics  NUM-ROPE-BWD: as written, products rounded once, then one fma; then NUM-BF16 for a bf16 output.
// Batch     A row depends on itself and its position alone.
// Threads   Rows are divided between threads.
// Cost      Reads rows * heads * D fp32, writes as many; 4 flop a pair.
// Source    Su et al. 2021, arXiv:2104.09864.
void rope_backward(Queue& queue, const RopeBackwardArgs& args);

}  // namespace invar
