#include "nn/self_attention.h"

#include "base/check.h"

#include "kernels/rope.h"
#include "kernels/rope_backward.h"

namespace invar {

void forward(Queue& queue, const SelfAttention& layer, const Batch& batch, const float* cos_sin, KvView kv,
             Rows<const bf16> x, const SelfAttentionScratch& scratch, Rows<bf16> out) {
  const int64_t rows = batch.rows();
  const int64_t q_dim = layer.heads * layer.head_dim;
  const int64_t kv_dim = layer.kv_heads * layer.head_dim;
  const Rows<bf16> q = scratch.qkv;
  const Rows<bf16> k = q.columns(q_dim);
  const Rows<bf16> v = k.columns(kv_dim);

  forward(queue, layer.qkv, rows, x, scratch.qkv);
  if (layer.q_norm) forward_heads(queue, *layer.q_norm, rows, layer.heads, q);
  if (layer.k_norm) forward_heads(queue, *layer.k_norm, rows, layer.kv_heads, k);
  // The heads of q and k stand side by side and turn by the same angles: one call for both.
  rope(queue, {.x = q.data,
               .x_stride = q.stride,
               .positions = batch.positions.data(),
               .cos_sin = cos_sin,
               .rows = rows,
               .heads = layer.heads + layer.kv_heads,
               .head_dim = layer.head_dim});
  kv_write(queue, {.k = k.data,
                   .v = v.data,
                   .k_stride = k.stride,
                   .v_stride = v.stride,
                   .k_pages = kv.k_pages,
                   .v_pages = kv.v_pages,
                   .layout = kv.layout,
                   .chunks = batch.chunks});
  attention(queue, {.q = q.data,
                    .out = scratch.heads.data,
                    .q_stride = q.stride,
                    .out_stride = scratch.heads.stride,
                    .k_pages = kv.k_pages,
                    .v_pages = kv.v_pages,
                    .layout = kv.layout,
                    .heads = layer.heads,
                    .scale = layer.scale,
                    .chunks = batch.chunks,
                    .row_sums = scratch.row_sums});
  forward(queue, layer.o, rows, scratch.heads, out);
}

void backward(Queue& queue, const SelfAttention& layer, const SelfAttentionTransposed& transposed,
              std::span<const int32_t> positions, std::span<const SequenceRows> sequences, const float* cos_sin,
              Rows<const bf16> x, const SelfAttentionScratch& saved, Rows<const bf16> d_out,
              const SelfAttentionBackwardScratch& scratch, Rows<float> dx, const SelfAttentionGrad& grad,
              bool& overflow) {
  const auto rows = std::ssize(positions);
  const int64_t q_dim = layer.heads * layer.head_dim;
  const int64_t kv_dim = layer.kv_heads * layer.head_dim;
  backward_weight(queue, layer.o, sequences, d_out, saved.heads, grad.o, overflow);
  backward_input(queue, transposed.o, rows, d_out, scratch.d_heads);

  const Rows<bf16> k = saved.qkv.columns(q_dim), v = k.columns(kv_dim);
  const Rows<float> dq = scratch.d_qk, dk = dq.columns(q_dim);
  const Rows<bf16> dv = scratch.d_qkv.columns(q_dim + kv_dim);
  attention_backward(queue, {.q = saved.qkv.data,
                             .k = k.data,
                             .v = v.data,
                             .out = saved.heads.data,
                             .d_out = scratch.d_heads.data,
                             .row_sums = saved.row_sums,
                             .dq = dq.data,
                             .dk = dk.data,
                             .dv = dv.data,
                             .q_stride = saved.qkv.stride,
                             .k_stride = k.stride,
                             .v_stride = v.stride,
                             .out_stride = saved.heads.stride,
                             .d_out_stride = scratch.d_heads.stride,
                             .dq_stride = dq.stride,
                             .dk_stride = dk.stride,
                             .dv_stride = dv.stride,
                             .heads = layer.heads,
                             .kv_heads = layer.kv_heads,
                             .head_dim = layer.head_dim,
                             .scale = layer.scale,
                             .sequences = sequences});
  const bool normed = layer.q_norm.has_value() || layer.k_norm.has_value();
  rope_backward(queue, {.d_out = dq.data,
                        .d_out_stride = dq.stride,
                        .positions = positions.data(),
                        .cos_sin = cos_sin,
                        .dx_bf16 = normed ? nullptr : scratch.d_qkv.data,
                        .dx_f32 = normed ? dq.data : nullptr,
                        .dx_stride = normed ? dq.stride : scratch.d_qkv.stride,
                        .rows = rows,
                        .heads = layer.heads + layer.kv_heads,
                        .head_dim = layer.head_dim});
  if (normed) {
    INVAR_CHECK(layer.q_norm && layer.k_norm, "a norm of q or of k alone");
    forward(queue, layer.qkv, rows, x, scratch.raw_qkv);
    backward_heads(queue, *layer.q_norm, rows, layer.heads, scratch.raw_qkv, dq, scratch.d_qkv, grad.q_norm,
                   overflow);
    backward_heads(queue, *layer.k_norm, rows, layer.kv_heads, scratch.raw_qkv.columns(q_dim), dk,
                   scratch.d_qkv.columns(q_dim), grad.k_norm, overflow);
  }
  backward_weight(queue, layer.qkv, sequences, scratch.d_qkv, x, grad.qkv, overflow);
  backward_input(queue, transposed.qkv, rows, scratch.d_qkv, dx);
}

}  // namespace invar
