#include "nn/decoder_block.h"

namespace invar {

Activations::Activations(const Shape& shape)
    : rows_max_(shape.rows_max), residual_(shape.rows_max * shape.dim) {
  arena_ = Buffer<bf16>(rows_max_ * (2 * shape.dim + shape.qkv_dim + shape.heads_dim + 3 * shape.ffn_dim));
  delta = matrix(shape.dim);
  normed = matrix(shape.dim);
  attention = {.qkv = matrix(shape.qkv_dim), .heads = matrix(shape.heads_dim)};
  mlp = {.gate_up = matrix(2 * shape.ffn_dim), .activation = matrix(shape.ffn_dim)};
}

Rows<bf16> Activations::matrix(int64_t dim) {
  bf16* data = arena_.data() + arena_used_;
  arena_used_ += rows_max_ * dim;
  return {data, dim};
}

void forward(Queue& queue, const DecoderBlock& block, bool first, const Batch& batch, const float* cos_sin,
             KvView kv, Activations& activations) {
  Activations& a = activations;
  const int64_t rows = batch.rows();
  if (first) {
    forward(queue, block.attention_norm, rows, Rows<const bf16>{a.residual(), a.normed.stride}, a.normed);
  } else {
    forward_residual(queue, block.attention_norm, rows, a.delta, a.residual(), a.normed);
  }
  forward(queue, block.attention, batch, cos_sin, kv, a.normed, a.attention, a.delta);
  forward_residual(queue, block.mlp_norm, rows, a.delta, a.residual(), a.normed);
  forward(queue, block.mlp, rows, a.normed, a.mlp, a.delta);
}

}  // namespace invar
