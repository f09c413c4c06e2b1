// DecoderBlock: the pre-norm transformer block, and the activations that a forward step needs.
#pragma once

#include "nn/mlp.h"
#include "nn/self_attention.h"

namespace invar {

struct DecoderBlock {
  RmsNorm attention_norm;
  SelfAttention attention;
  RmsNorm mlp_norm;
  Mlp mlp;
};

// Activations of at most `rows_max` rows, shared by all blocks of a model.
class Activations {
 public:
  struct Shape {
    int64_t rows_max;
    int64_t dim;        // C
    int64_t ffn_dim;    // F
    int64_t qkv_dim;    // (H + 2 G) D
    int64_t heads_dim;  // H D
  };
  explicit Activations(const Shape& shape);

  int64_t rows_max() const { return rows_max_; }

  bf16* residual() { return residual_.data(); }  // [T, C] contiguous: the residual stream
  Rows<bf16> delta;                              // [T, C]: a sub-layer's output, not yet added to the stream
  Rows<bf16> normed;                             // [T, C]
  SelfAttentionScratch attention;
  MlpScratch mlp;

 private:
  Rows<bf16> matrix(int64_t dim);

  int64_t rows_max_;
  Buffer<bf16> residual_;
  Buffer<bf16> arena_;
  int64_t arena_used_ = 0;
};

// residual += delta (unless it is the first block, whose residual is the embedding);
// residual += attention(norm(residual)); delta = mlp(norm(residual)), left for the next block to add.
void forward(Queue& queue, const DecoderBlock& block, bool first, const Batch& batch, const float* cos_sin,
             KvView kv, Activations& activations);

}  // namespace invar
