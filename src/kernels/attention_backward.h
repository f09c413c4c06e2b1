// attention_backward: gradients of causal grouped-query attention over whole sequences.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/attention.h"
#include "kernels/queue.h"
#include "kernels/sequence_rows.h"
#include "numerics/bf16.h"

namespace invar {

struct AttentionBackwardArgs {
  const bf16* q;                    // [T, H, D] as attention() read it, rows q_stride apart
  const bf16* k;                    // [T, G, D]
  const bf16* v;                    // [T, G, D]
  const bf16* out;                  // [T, H, D], what attention() wrote
  const bf16* d_out;                // [T, H, D], its gradient
  const AttentionRowSum* row_sums;  // [T, H], what attention() wrote
  float* dq;                        // [T, H, D]
  float* dk;                        // [T, G, D]
  bf16* dv;                         // [T, G, D]
  int64_t q_stride;                 // elements between rows, as all strides
  int64_t k_stride;
  int64_t v_stride;
  int64_t out_stride;
  int64_t d_out_stride;
  int64_t dq_stride;
  int64_t dk_stride;
  int64_t dv_stride;
  int64_t heads;                            // H, a multiple of G; query head h reads kv head h / (H / G)
  int64_t kv_heads;                         // G
  int64_t head_dim;                         // D, a multiple of 16
  float scale;                              // softmax scale
  std::span<const SequenceRows> sequences;  // disjoint; rows outside of them are left alone
};

// With P[i, j] = softmax_j(scale q[i] . k[j]) over j <= i, for each sequence and head:
//   dS[i, j] = P[i, j] (d_out[i] . v[j] - d_out[i] . out[i])
//   dq[i] = scale sum_j dS[i, j] k[j];  dk[j] = scale sum_h,i dS[i, j] q[i];  dv[j] = sum_h,i P[i, j] d_out[i]
//
// Numerics  NUM-ATTN-BWD (docs/numerics.md): P from the forward's own maximum and sum, P and dS rounded to bf16, every
//           product a chain of NUM-DOT over ascending positions, those of dk and dv over ascending heads as well.
// Batch     A sequence's gradients depend on that sequence alone, not on its rows' place or its neighbours.
// Threads   (sequence, kv head) items are divided between threads; where they are too few, keys and queries apart.
// Cost      10 H D flop a visible pair (i, j); with keys and queries apart 14.
// Source    Dao 2023, arXiv:2307.08691.
void attention_backward(Queue& queue, const AttentionBackwardArgs& args);

}  // namespace invar
