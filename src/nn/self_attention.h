// SelfAttention: q, k, v projection, optional q/k norm, RoPE, cache write, attention, output projection.
#pragma once

#include <optional>

#include "nn/batch.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace invar {

struct SelfAttention {
  Linear qkv;                     // [(H + 2 G) D, C]: q heads, then k heads, then v heads
  Linear o;                       // [C, H D]
  std::optional<RmsNorm> q_norm;  // [D], per head, before RoPE (qwen3)
  std::optional<RmsNorm> k_norm;
  int64_t heads;     // H
  int64_t kv_heads;  // G
  int64_t head_dim;  // D
  float scale;       // of the softmax
};

struct SelfAttentionScratch {
  Rows<bf16> qkv;    // [T, (H + 2 G) D]
  Rows<bf16> heads;  // [T, H D]
};

// out[T, C] = o(attention(rope(norm(qkv(x))))); writes the rows' keys and values into the cache first.
// cos_sin is the RoPE table [positions, 2, D / 2].
void forward(Queue& queue, const SelfAttention& layer, const Batch& batch, const float* cos_sin, KvView kv,
             Rows<const bf16> x, const SelfAttentionScratch& scratch, Rows<bf16> out);

}  // namespace invar
