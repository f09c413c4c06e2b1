// rope: rotary position embedding of the heads in a row, in place, from a precomputed table.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct RopeArgs {
  bf16* x;                   // [rows, heads, D], rows x_stride apart; rotated in place
  int64_t x_stride;          // >= heads * D
  const int32_t* positions;  // [rows], each in [0, table rows)
  const float*
      cos_sin;  // [positions, 2, D / 2]: the cosines of a position, then its sines (numerics/rope_table.h)
  int64_t rows;
  int64_t heads;
  int64_t head_dim;  // D, even
};

// With i < D/2, a = x[i], b = x[i + D/2], c and s of the row's position:
//   x[i]       = bf16(fma(a, c, -(b * s)))
//   x[i + D/2] = bf16(fma(b, c, a * s))
//
// Numerics  NUM-ROPE: as written, products rounded once, then one fma.
// Batch     A row depends on itself and its position alone.
// Threads   Rows are divided between threads.
// Cost      Reads and writes rows * heads * D bf16; 4 flop a pair.
// Source    Su et al. 2021, arXiv:2104.09864; the half-split ("neox") order of transformers' rotate_half.
void rope(Queue& queue, const RopeArgs& args);

}  // namespace invar
