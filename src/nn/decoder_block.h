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

// What a block's backward() needs of its forward(). Without `residual` and the rest: what recompute() needs.
struct BlockActivations {
  bf16* input = nullptr;           // [T, C] contiguous: the residual stream that the first norm reads
  bf16* residual = nullptr;        // [T, C] contiguous: the one that the second norm reads; or null
  SelfAttentionScratch attention;  // with row_sums
  Rows<bf16> gate_up{};            // [T, 2 F]
};

// residual += delta (unless it is the first block, whose residual is the embedding);
// residual += attention(norm(residual)); delta = mlp(norm(residual)), left for the next block to add.
// kept: what to leave for backward(); or null.
void forward(Queue& queue, const DecoderBlock& block, bool first, const Batch& batch, const float* cos_sin,
             KvView kv, Activations& activations, const BlockActivations* kept = nullptr);

// What forward() left or would have left for backward(), from its input alone, to the same bits. The rest is put into
// activations (with its row_sums) and kv.
BlockActivations recompute(Queue& queue, const DecoderBlock& block, const Batch& batch, const float* cos_sin, KvView kv,
                           bf16* input, Activations& activations);

struct DecoderBlockTransposed {
  SelfAttentionTransposed attention;
  MlpTransposed mlp;
};

struct DecoderBlockGrad {
  int64_t* attention_norm;  // [C]
  SelfAttentionGrad attention;
  int64_t* mlp_norm;  // [C]
  MlpGrad mlp;
};

// What backward() needs beside the activations of a forward, for at most `rows_max` rows.
class BackwardScratch {
 public:
  struct Shape {
    Activations::Shape activations;
    int64_t qk_dim;  // (H + G) D
    bool qk_norm;
  };
  explicit BackwardScratch(const Shape& shape);

  Rows<bf16> normed;     // [T, C]
  Rows<bf16> d_delta;    // [T, C]
  Rows<float> d_normed;  // [T, C]
  SelfAttentionBackwardScratch attention;
  MlpBackwardScratch mlp;

 private:
  Buffer<bf16> bf16s_;
  Buffer<float> floats_;
};

// d_residual, [T, C]: the gradient of the residual stream behind the block, and on return of the one before it.
// positions: [T]. saved: all that forward() or recompute() of this block left, with row_sums. activations: scratch;
// saved may stand in its residual stream, attention's matrices and gate_up. Adds the weights' gradients to grad.
void backward(Queue& queue, const DecoderBlock& block, const DecoderBlockTransposed& transposed,
              std::span<const int32_t> positions, std::span<const SequenceRows> sequences, const float* cos_sin,
              const BlockActivations& saved, Activations& activations, BackwardScratch& scratch,
              Rows<float> d_residual, const DecoderBlockGrad& grad, bool& overflow);

// out[T, dim] = x rounded.  NUM-BF16.
void round_rows(Queue& queue, int64_t rows, int64_t dim, Rows<const float> x, Rows<bf16> out);

}  // namespace invar
