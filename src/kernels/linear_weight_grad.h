// The backward of linear() with respect to its weight and bias. (With respect to its input it is linear() itself, with
// the transposed weight: kernels/pack_transposed.h.)
#pragma once

#include <cstdint>
#include <span>

#include "kernels/queue.h"
#include "kernels/sequence_rows.h"
#include "numerics/bf16.h"

namespace invar {

struct LinearWeightGradArgs {
  const bf16* dy;                           // [T, N], rows dy_stride apart: gradient of the output
  int64_t dy_stride;                        // >= N, in elements
  const bf16* x;                            // [T, K], rows x_stride apart: input of the forward
  int64_t x_stride;                         // >= K, in elements
  std::span<const SequenceRows> sequences;  // rows outside all of them take no part
  int64_t n;                                // N > 0
  int64_t k;                                // K > 0
  int64_t* grad;                            // [N, K] row-major, in units of 2^-40; added to
  int64_t* grad_bias;                       // [N] likewise, or null
  bool* overflow;                           // set where NUM-GRID flags an element of either; never cleared
};

// grad[n, k] += sum_t dy[t, n] x[t, k], grad_bias[n] += sum_t dy[t, n], over the rows t of all sequences
//
// Numerics  NUM-LINGRAD. A sequence is cut into leaves of kGradLeaf = 512 rows from its own row 0. A leaf's part of
//           grad[n, k] is NUM-DOT over its ascending rows, zero-padded to a multiple of 16 (amx32: 32), and enters the
//           sum by NUM-GRID. Of grad_bias every dy[t, n] enters NUM-GRID by itself.
// Batch     Integer sums of leaves: no order of sequences and no cut of them into calls changes a bit.
// Threads   Elements of grad are divided between threads, leaves never.
// Cost      2 T N K FLOP; one pass over grad. Of dy and x the narrower one is transposed into scratch memory (4 bytes a
//           value), the other is read once for each 768 channels of the first, at most.
void linear_weight_grad(Queue& queue, const LinearWeightGradArgs& args);

inline constexpr int64_t kGradLeaf = 512;

}  // namespace invar
