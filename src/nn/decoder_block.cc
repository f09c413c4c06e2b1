#include "nn/decoder_block.h"

#include <algorithm>

#include "tensor/convert.h"

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

namespace {

// [T, C] contiguous.
void copy_stream(Queue& queue, const Batch& batch, int64_t dim, const bf16* from, bf16* to) {
  queue.pool().parallel_for(batch.rows(), [&](int64_t begin, int64_t end, int) {
    std::copy_n(from + begin * dim, (end - begin) * dim, to + begin * dim);
  });
}

// From the first norm's output to the second's: residual += attention(normed).
void forward_attention(Queue& queue, const DecoderBlock& block, const Batch& batch, const float* cos_sin,
                       KvView kv, const SelfAttentionScratch& scratch, Activations& a) {
  forward(queue, block.attention, batch, cos_sin, kv, a.normed, scratch, a.delta);
  forward_residual(queue, block.mlp_norm, batch.rows(), a.delta, a.residual(), a.normed);
}

}  // namespace

void forward(Queue& queue, const DecoderBlock& block, bool first, const Batch& batch, const float* cos_sin,
             KvView kv, Activations& activations, const BlockActivations* kept) {
  Activations& a = activations;
  const int64_t rows = batch.rows(), dim = a.normed.stride;
  const bool keeps_all = kept != nullptr && kept->residual != nullptr;
  if (first) {
    forward(queue, block.attention_norm, rows, Rows<const bf16>{a.residual(), dim}, a.normed);
  } else {
    forward_residual(queue, block.attention_norm, rows, a.delta, a.residual(), a.normed);
  }
  if (kept != nullptr) copy_stream(queue, batch, dim, a.residual(), kept->input);
  forward_attention(queue, block, batch, cos_sin, kv, keeps_all ? kept->attention : a.attention, a);
  if (keeps_all) copy_stream(queue, batch, dim, a.residual(), kept->residual);
  const MlpScratch mlp = {.gate_up = keeps_all ? kept->gate_up : a.mlp.gate_up,
                          .activation = a.mlp.activation};
  forward(queue, block.mlp, rows, a.normed, mlp, a.delta);
}

BlockActivations recompute(Queue& queue, const DecoderBlock& block, const Batch& batch, const float* cos_sin, KvView kv,
                           bf16* input, Activations& activations) {
  Activations& a = activations;
  const int64_t dim = a.normed.stride;
  copy_stream(queue, batch, dim, input, a.residual());
  forward(queue, block.attention_norm, batch.rows(), Rows<const bf16>{a.residual(), dim}, a.normed);
  forward_attention(queue, block, batch, cos_sin, kv, a.attention, a);
  forward(queue, block.mlp.gate_up, batch.rows(), a.normed, a.mlp.gate_up);
  return {.input = input, .residual = a.residual(), .attention = a.attention, .gate_up = a.mlp.gate_up};
}

BackwardScratch::BackwardScratch(const Shape& shape) {
  const Activations::Shape& a = shape.activations;
  const int64_t rows = a.rows_max;
  bf16s_ =
      Buffer<bf16>(rows * (2 * a.dim + a.heads_dim + (shape.qk_norm ? 2 : 1) * a.qkv_dim + 2 * a.ffn_dim));
  floats_ = Buffer<float>(rows * (a.dim + shape.qk_dim + a.ffn_dim));
  bf16* next = bf16s_.data();
  const auto matrix = [&](int64_t dim) {
    bf16* data = next;
    next += rows * dim;
    return Rows<bf16>{data, dim};
  };
  float* next_float = floats_.data();
  const auto float_matrix = [&](int64_t dim) {
    float* data = next_float;
    next_float += rows * dim;
    return Rows<float>{data, dim};
  };
  normed = matrix(a.dim);
  d_delta = matrix(a.dim);
  d_normed = float_matrix(a.dim);
  attention = {.d_heads = matrix(a.heads_dim),
               .d_qk = float_matrix(shape.qk_dim),
               .d_qkv = matrix(a.qkv_dim),
               .raw_qkv = shape.qk_norm ? matrix(a.qkv_dim) : Rows<bf16>{nullptr, 0}};
  mlp = {.d_activation = float_matrix(a.ffn_dim), .d_gate_up = matrix(2 * a.ffn_dim)};
}

void round_rows(Queue& queue, int64_t rows, int64_t dim, Rows<const float> x, Rows<bf16> out) {
  queue.pool().parallel_for(rows, [&](int64_t begin, int64_t end, int) {
    const auto size = static_cast<std::size_t>(dim);
    for (int64_t r = begin; r < end; ++r)
      round_to_bf16(std::span<const float>(x.row(r), size), std::span<bf16>(out.row(r), size));
  });
}

void backward(Queue& queue, const DecoderBlock& block, const DecoderBlockTransposed& transposed,
              std::span<const int32_t> positions, std::span<const SequenceRows> sequences, const float* cos_sin,
              const BlockActivations& saved, Activations& activations, BackwardScratch& scratch,
              Rows<float> d_residual, const DecoderBlockGrad& grad, bool& overflow) {
  Activations& a = activations;
  const auto rows = std::ssize(positions);
  const int64_t dim = a.normed.stride;
  const Rows<const bf16> input = {saved.input, dim}, residual = {saved.residual, dim};
  const MlpScratch mlp = {.gate_up = saved.gate_up, .activation = a.mlp.activation};
  // Cheaper than keeping them.
  forward(queue, block.mlp_norm, rows, residual, a.normed);
  activate(queue, block.mlp, rows, mlp);
  // What follows adds delta to the stream: the gradient of the one is that of the other.
  round_rows(queue, rows, dim, d_residual, scratch.d_delta);
  backward(queue, block.mlp, transposed.mlp, sequences, rows, a.normed, mlp, scratch.d_delta, scratch.mlp,
           scratch.d_normed, grad.mlp, overflow);
  backward_residual(queue, block.mlp_norm, rows, residual, scratch.d_normed, d_residual, grad.mlp_norm,
                    overflow);

  forward(queue, block.attention_norm, rows, input, scratch.normed);
  round_rows(queue, rows, dim, d_residual, scratch.d_delta);
  backward(queue, block.attention, transposed.attention, positions, sequences, cos_sin, scratch.normed,
           saved.attention, scratch.d_delta, scratch.attention, scratch.d_normed, grad.attention, overflow);
  backward_residual(queue, block.attention_norm, rows, input, scratch.d_normed, d_residual,
                    grad.attention_norm, overflow);
}

}  // namespace invar
