#include "model/decoder.h"

#include <algorithm>
#include <cmath>

namespace invar {

Activations::Shape DecoderModel::activation_shape(int64_t rows_max) const {
  const SelfAttention& attention = blocks.front().attention;
  return {.rows_max = rows_max,
          .dim = config.hidden_size,
          .ffn_dim = config.intermediate_size,
          .qkv_dim = attention.qkv.outputs(),
          .heads_dim = attention.heads * attention.head_dim};
}

KvLayout DecoderModel::kv_layout(int64_t page_size) const {
  return {.kv_heads = config.kv_heads, .head_dim = config.head_dim, .page_size = page_size};
}

float attention_scale(const ModelConfig& config) {
  // IEEE division and square root: the same bits everywhere.
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim)));
}

void forward(Queue& queue, const DecoderModel& model, const Batch& batch, KvViews kv,
             Activations& activations, std::span<const BlockActivations> kept) {
  INVAR_CHECK(batch.rows() <= activations.rows_max(), "{} rows, room for {}", batch.rows(),
              activations.rows_max());
  INVAR_CHECK(kv.size() == model.blocks.size(), "{} caches, {} blocks", kv.size(), model.blocks.size());
  INVAR_CHECK(kept.empty() || kept.size() == model.blocks.size(), "{} of {} blocks are kept", kept.size(),
              model.blocks.size());
  forward(queue, model.embedding, batch.tokens, activations.residual());
  for (std::size_t i = 0; i < model.blocks.size(); ++i) {
    forward(queue, model.blocks[i], i == 0, batch, model.cos_sin.data(), kv[i], activations,
            kept.empty() ? nullptr : &kept[i]);
  }
  forward_residual(queue, model.final_norm, batch.rows(), activations.delta, activations.residual(),
                   activations.normed);
}

void logits(Queue& queue, const DecoderModel& model, const Activations& activations,
            std::span<const int32_t> rows, bf16* gathered, float* out) {
  const int64_t dim = model.config.hidden_size;
  const int64_t vocab = model.config.vocab_size;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(activations.normed.row(rows[i]), dim, gathered + static_cast<int64_t>(i) * dim);
  }
  forward(queue, model.lm_head, static_cast<int64_t>(rows.size()), Rows<const bf16>{gathered, dim},
          Rows<float>{out, vocab});
}

}  // namespace invar
