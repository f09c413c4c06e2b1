// SelfAttention: q, k, v projection, optional q/k norm, RoPE, cache write, attention, output projection.
#pragma once

#include <optional>
#include <span>

#include "kernels/attention_backward.h"
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
  Rows<bf16> qkv;                       // [T, (H + 2 G) D], after norms and RoPE
  Rows<bf16> heads;                     // [T, H D]
  AttentionRowSum* row_sums = nullptr;  // [T, H], for backward(); or null
};

// out[T, C] = o(attention(rope(norm(qkv(x))))); writes the rows' keys and values into the cache first.
// cos_sin is the RoPE table [positions, 2, D / 2].
void forward(Queue& queue, const SelfAttention& layer, const Batch& batch, const float* cos_sin, KvView kv,
             Rows<const bf16> x, const SelfAttentionScratch& scratch, Rows<bf16> out);

struct SelfAttentionTransposed {
  PackedWeight qkv;  // [C, (H + 2 G) D]
  PackedWeight o;    // [H D, C]
};

struct SelfAttentionGrad {
  LinearGrad qkv;
  LinearGrad o;
  int64_t* q_norm;  // [D], or null without q/k norm
  int64_t* k_norm;
};

struct SelfAttentionBackwardScratch {
  Rows<bf16> d_heads;  // [T, H D]
  Rows<float> d_qk;    // [T, (H + G) D]
  Rows<bf16> d_qkv;    // [T, (H + 2 G) D]
  Rows<bf16> raw_qkv;  // [T, (H + 2 G) D], before norms and RoPE; used with q/k norm only
};

// dx[T, C] from d_out[T, C], of whole sequences. positions: [T]. x and saved (with row_sums): what forward() was given
// and left there. Adds the weights' gradients to grad.
void backward(Queue& queue, const SelfAttention& layer, const SelfAttentionTransposed& transposed,
              std::span<const int32_t> positions, std::span<const SequenceRows> sequences, const float* cos_sin,
              Rows<const bf16> x, const SelfAttentionScratch& saved, Rows<const bf16> d_out,
              const SelfAttentionBackwardScratch& scratch, Rows<float> dx, const SelfAttentionGrad& grad,
              bool& overflow);

}  // namespace invar
