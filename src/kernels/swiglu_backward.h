// swiglu_backward: gradients of the two halves of an MLP's gated activation.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct SwigluBackwardArgs {
  const float* d_out;   // [rows, F], gradient of swiglu's output, rows d_out_stride apart
  const bf16* gate_up;  // [rows, 2 F]: swiglu's input, rows in_stride apart
  bf16* d_gate_up;  // [rows, 2 F]: gradients of F gates, then of F ups, rows out_stride apart; may be gate_up
  int64_t d_out_stride;  // elements, as the other strides
  int64_t in_stride;
  int64_t out_stride;
  int64_t rows;
  int64_t ffn_dim;  // F
};

// s = sigmoid(gate)
// d_gate[r, f] = bf16((d_out * (up * s)) * fma(gate, 1 - s, 1))
// d_up[r, f]   = bf16(d_out * (gate * s))
//
// Numerics  NUM-SWIGLU-BWD: NUM-SIGMOID in fp32, every operation one fp32 rounding in the order written, NUM-BF16.
// Batch     Elementwise.
// Threads   Rows are divided between threads.
// Cost      Reads F fp32 and 2 F bf16, writes 2 F bf16 a row.
// Source    Shazeer 2020, arXiv:2002.05202.
void swiglu_backward(Queue& queue, const SwigluBackwardArgs& args);

}  // namespace invar
