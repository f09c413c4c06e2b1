// linear: y = x W^T + b, every product of activations with weights.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/queue.h"
#include "numerics/bf16.h"
#include "tensor/buffer.h"

namespace invar {

// A weight in the order that the CPU kernels read it: panels of 16 outputs, pairs of k side by side,
//   data[(n / 16), (k / 2), n % 16, k % 2]   with n padded to 16 and k padded to 16, both with zeros.
// One 64-byte line holds one k pair of 16 outputs: what one vdpbf16ps consumes. Packing is a permutation: no bits.
struct PackedWeight {
  static constexpr int64_t kPanel = 16;
  static constexpr int64_t kGroup = 16;  // H16 consumes k in groups of 16

  Buffer<bf16> data;
  int64_t n = 0;  // outputs
  int64_t k = 0;  // inputs

  int64_t panels() const { return (n + kPanel - 1) / kPanel; }
  int64_t k_padded() const { return (k + kGroup - 1) / kGroup * kGroup; }
  const bf16* panel(int64_t p) const { return data.data() + p * kPanel * k_padded(); }
};

// One row-major block [n, k] of a weight that is packed from several (q, k and v; gate and up).
struct WeightRows {
  const bf16* data;
  int64_t n;
};

// Packs the blocks below each other.
PackedWeight pack_weight(std::span<const WeightRows> blocks, int64_t k);

// A weight [n, k] of zeros, for pack_rows to fill.
PackedWeight packed_zeros(int64_t n, int64_t k);
// Writes the block's rows over rows [row, row + block.n), any row; touches no element of another row. Calls on disjoint
// rows of one weight may run at the same time.
void pack_rows(PackedWeight& weight, int64_t row, const WeightRows& block);
// The reverse: rows [row, row + rows), row-major. out: [rows, k].
void unpack_rows(const PackedWeight& weight, int64_t row, int64_t rows, bf16* out);

struct LinearArgs {
  const bf16* x;               // [rows, K], rows x_stride apart
  int64_t x_stride;            // >= K, in elements
  const PackedWeight* weight;  // [N, K] packed
  const float* bias;           // [N] or null
  bf16* out_bf16;              // [rows, N], rows out_stride apart; exactly one of the two outputs is set
  float* out_f32;              // [rows, N]
  int64_t out_stride;          // >= N, in elements
  int64_t rows;                // >= 0
};

// out[r, n] = sum_k x[r, k] W[n, k] + b[n]
//
// Numerics  NUM-DOT of the queue's profile: one chain over ascending k from +0, k padded with zeros to 16 (amx32: to
//           32); then one fp32 addition of the bias where there is one; then NUM-BF16 for a bf16 output.
// Batch     Row r is computed from row r alone. `rows` chooses a tile, never an order.
// Threads   Output panels (and rows) are divided between threads, k never.
// Cost      2 rows N K FLOP; reads N K bf16 once a block of rows.
void linear(Queue& queue, const LinearArgs& args);

}  // namespace invar
