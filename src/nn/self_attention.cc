#include "nn/self_attention.h"

#include "kernels/rope.h"

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
                    .chunks = batch.chunks});
  forward(queue, layer.o, rows, scratch.heads, out);
}

}  // namespace invar
