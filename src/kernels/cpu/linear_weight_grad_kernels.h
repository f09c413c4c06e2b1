// What an instruction-set tier supplies for linear_weight_grad() beside the tiles of linear(): NUM-GRID on vectors, and
// the panels of tiles that read fp32.
#pragma once

#include <cstdint>

#include "kernels/cpu/transpose_tokens.h"
#include "numerics/bf16.h"

namespace invar {

// Sums and values are 64-byte aligned, counts multiples of 16, unless stated. Each returns whether it saw an overflow.
struct GridKernels {
  // sums[i] += values[i] on the grid. Does not look at the sums: at most kGridTile calls between two of check.
  // May run with subnormals flushed: on the grid they are 0.
  bool (*add)(const float* values, int64_t count, int64_t* sums);
  // Whether a sum has reached 2^62.
  bool (*check)(const int64_t* sums, int64_t count);
  // buffer[i] += sums[i], both of grid_merge. Any count, any alignment.
  bool (*merge)(const int64_t* sums, int64_t count, int64_t* buffer);
  // sums[c] += values[r, c] on the grid for columns c < columns (at most 16) of `rows` rows (at most kGridTile), rows
  // `stride` apart; sums: [16], not looked at either.
  bool (*add_rows)(const bf16* values, int64_t stride, int64_t rows, int64_t columns, int64_t* sums);
  // out[c / 16, t, c % 16] = values[t, c] for 16 tokens, panels out_stride apart; zeros where there is no value.
  void (*widen)(const TokenGroup& group, float* out, int64_t out_stride);
};

GridKernels grid_kernels_avx2();
GridKernels grid_kernels_avx512();

}  // namespace invar
