// swiglu: the gated activation between the two halves of an MLP.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct SwigluArgs {
  const bf16* gate_up;  // [rows, 2 F]: F gates, then F ups, rows in_stride apart
  bf16* out;            // [rows, F], rows out_stride apart
  int64_t in_stride;
  int64_t out_stride;
  int64_t rows;
  int64_t ffn_dim;  // F
};

// out[r, f] = bf16(silu(gate) * up)
//
// Numerics  NUM-SILU in fp32, one fp32 product, NUM-BF16.
// Batch     Elementwise.
// Threads   Rows (or pieces of a row) are divided between threads.
// Cost      Reads 2 F, writes F bf16 a row.
// Source    Shazeer 2020, arXiv:2002.05202.
void swiglu(Queue& queue, const SwigluArgs& args);

}  // namespace invar
