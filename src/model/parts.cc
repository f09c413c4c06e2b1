#include "model/parts.h"

namespace invar {

void Parts::linear(const std::string& prefix, std::initializer_list<Piece> pieces, int64_t inputs,
                   bool with_bias, Linear& out) {
  int64_t row = 0;
  for (const Piece& piece : pieces) {
    const std::string name = prefix + std::string(piece.name);
    places_.push_back(
        {.spec = {name + ".weight", {piece.outputs, inputs}}, .packed = &out.weight, .row = row});
    if (with_bias)
      places_.push_back({.spec = {name + ".bias", {piece.outputs}}, .bias = &out.bias, .row = row});
    row += piece.outputs;
  }
  if (mode_ == Mode::kFind) return;
  out.weight = packed_zeros(row, inputs);
  if (with_bias) out.bias = Buffer<float>(row);
}

void Parts::norm(const std::string& name, int64_t dim, RmsNorm& out) {
  places_.push_back({.spec = {name + ".weight", {dim}}, .plain = &out.weight});
  if (mode_ == Mode::kMake) out = {.weight = Buffer<bf16>(dim), .eps = config_.rms_eps};
}

void Parts::norm(const std::string& name, int64_t dim, std::optional<RmsNorm>& out) {
  if (!out) out.emplace();
  norm(name, dim, *out);
}

void Parts::gated_mlp(const std::string& prefix, Mlp& out) {
  const int64_t dim = config_.hidden_size;
  const int64_t ffn = config_.intermediate_size;
  linear(prefix, {{"gate_proj", ffn}, {"up_proj", ffn}}, dim, false, out.gate_up);
  linear(prefix, {{"down_proj", dim}}, ffn, false, out.down);
}

void Parts::attention(const std::string& prefix, bool qkv_bias, bool output_bias, SelfAttention& out) {
  const int64_t q_dim = config_.heads * config_.head_dim;
  const int64_t kv_dim = config_.kv_heads * config_.head_dim;
  linear(prefix, {{"q_proj", q_dim}, {"k_proj", kv_dim}, {"v_proj", kv_dim}}, config_.hidden_size, qkv_bias,
         out.qkv);
  linear(prefix, {{"o_proj", config_.hidden_size}}, q_dim, output_bias, out.o);
  if (mode_ == Mode::kFind) return;
  out.heads = config_.heads;
  out.kv_heads = config_.kv_heads;
  out.head_dim = config_.head_dim;
  out.scale = attention_scale(config_);
}

void Parts::frame(DecoderModel& model) {
  const int64_t vocab = config_.vocab_size;
  const int64_t dim = config_.hidden_size;
  if (mode_ == Mode::kMake)
    model.embedding = {.table = Buffer<bf16>(vocab * dim), .vocab = vocab, .dim = dim};
  norm("model.norm", dim, model.final_norm);
  WeightPlace table = {.spec = {"model.embed_tokens.weight", {vocab, dim}}, .plain = &model.embedding.table};
  if (config_.tie_embeddings) {
    table.packed = &model.lm_head.weight;
    if (mode_ == Mode::kMake) model.lm_head.weight = packed_zeros(vocab, dim);
  } else {
    linear("", {{"lm_head", vocab}}, dim, false, model.lm_head);
  }
  places_.push_back(std::move(table));
}

}  // namespace invar
