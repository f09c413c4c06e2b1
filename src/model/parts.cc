#include "model/parts.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/rope_table.h"

namespace invar {

Result<Linear> Parts::linear(const std::string& prefix, std::initializer_list<Piece> pieces, int64_t inputs,
                             bool with_bias) const {
  std::vector<Buffer<bf16>> loaded;
  std::vector<WeightRows> rows;
  int64_t outputs = 0;
  for (const Piece& piece : pieces) {
    INVAR_TRY(Buffer<bf16> weight,
              source_.load(prefix + std::string(piece.name) + ".weight", {piece.outputs, inputs}));
    rows.push_back({.data = weight.data(), .n = piece.outputs});
    loaded.push_back(std::move(weight));
    outputs += piece.outputs;
  }
  Linear linear;
  linear.weight = pack_weight(rows, inputs);
  if (!with_bias) return linear;
  linear.bias = Buffer<float>(outputs);
  float* next = linear.bias.data();
  for (const Piece& piece : pieces) {
    INVAR_TRY(Buffer<bf16> bias, source_.load(prefix + std::string(piece.name) + ".bias", {piece.outputs}));
    next = std::transform(bias.data(), bias.data() + bias.size(), next, to_float);
  }
  return linear;
}

Result<RmsNorm> Parts::norm(const std::string& name, int64_t dim) const {
  INVAR_TRY(Buffer<bf16> weight, source_.load(name + ".weight", {dim}));
  return RmsNorm{.weight = std::move(weight), .eps = config_.rms_eps};
}

Result<Mlp> Parts::gated_mlp(const std::string& prefix) const {
  const int64_t dim = config_.hidden_size;
  const int64_t ffn = config_.intermediate_size;
  INVAR_TRY(Linear gate_up, linear(prefix, {{"gate_proj", ffn}, {"up_proj", ffn}}, dim, false));
  INVAR_TRY(Linear down, linear(prefix, {{"down_proj", dim}}, ffn, false));
  return Mlp{.gate_up = std::move(gate_up), .down = std::move(down)};
}

Result<SelfAttention> Parts::attention(const std::string& prefix, bool qkv_bias, bool o_bias) const {
  const int64_t q_dim = config_.heads * config_.head_dim;
  const int64_t kv_dim = config_.kv_heads * config_.head_dim;
  SelfAttention attention;
  INVAR_TRY(attention.qkv, linear(prefix, {{"q_proj", q_dim}, {"k_proj", kv_dim}, {"v_proj", kv_dim}},
                                  config_.hidden_size, qkv_bias));
  INVAR_TRY(attention.o, linear(prefix, {{"o_proj", config_.hidden_size}}, q_dim, o_bias));
  attention.heads = config_.heads;
  attention.kv_heads = config_.kv_heads;
  attention.head_dim = config_.head_dim;
  // IEEE division and square root: the same bits everywhere.
  attention.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config_.head_dim)));
  return attention;
}

Result<DecoderModel> Parts::frame() const {
  DecoderModel model;
  model.config = config_;
  const int64_t vocab = config_.vocab_size;
  const int64_t dim = config_.hidden_size;
  INVAR_TRY(Buffer<bf16> table, source_.load("model.embed_tokens.weight", {vocab, dim}));
  model.embedding = {.table = std::move(table), .vocab = vocab, .dim = dim};
  INVAR_TRY(model.final_norm, norm("model.norm", dim));
  if (config_.tie_embeddings) {
    const WeightRows rows{.data = model.embedding.table.data(), .n = vocab};
    model.lm_head.weight = pack_weight({&rows, 1}, dim);
  } else {
    INVAR_TRY(model.lm_head, linear("", {{"lm_head", vocab}}, dim, false));
  }
  INVAR_TRY(const RopeFrequencies frequencies, rope_frequencies(config_.rope, config_.head_dim));
  model.cos_sin = Buffer<float>(config_.max_position * config_.head_dim);
  rope_table(frequencies, config_.max_position, model.cos_sin.data());
  return model;
}

}  // namespace invar
