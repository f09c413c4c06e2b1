// Which weights a model has, and what they are called.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "model/weights.h"

namespace invar {
namespace {

struct NamePair {
  std::string_view hf, gguf;
};

// Without ".weight" or ".bias". gguf-py: tensor_mapping.py.
constexpr NamePair kModelNames[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr std::string_view kLayerPrefix = "model.layers.";
constexpr NamePair kLayerNames[] = {
    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},      {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
    {"input_layernorm", "attn_norm"},    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"}};

void add_layer(const ModelConfig& c, int64_t layer, std::vector<WeightSpec>* specs) {
  const std::string prefix = fmt::format("{}{}.", kLayerPrefix, layer);
  const auto add = [&](const char* name, std::vector<int64_t> shape) {
    specs->push_back({prefix + name, std::move(shape)});
  };
  const int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  add("input_layernorm.weight", {c.hidden_size});
  add("post_attention_layernorm.weight", {c.hidden_size});
  add("self_attn.q_proj.weight", {q, c.hidden_size});
  add("self_attn.k_proj.weight", {kv, c.hidden_size});
  add("self_attn.v_proj.weight", {kv, c.hidden_size});
  add("self_attn.o_proj.weight", {c.hidden_size, q});
  if (c.qkv_bias) {
    add("self_attn.q_proj.bias", {q});
    add("self_attn.k_proj.bias", {kv});
    add("self_attn.v_proj.bias", {kv});
  }
  if (c.output_bias) add("self_attn.o_proj.bias", {c.hidden_size});
  if (c.qk_norm) {
    add("self_attn.q_norm.weight", {c.head_dim});
    add("self_attn.k_norm.weight", {c.head_dim});
  }
  add("mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
  add("mlp.up_proj.weight", {c.intermediate_size, c.hidden_size});
  add("mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
}

}  // namespace

std::vector<WeightSpec> weight_specs(const ModelConfig& config) {
  std::vector<WeightSpec> specs = {{"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}},
                                   {"model.norm.weight", {config.hidden_size}}};
  if (!config.tie_embeddings) specs.push_back({"lm_head.weight", {config.vocab_size, config.hidden_size}});
  for (int64_t layer = 0; layer < config.layers; ++layer) add_layer(config, layer, &specs);
  std::sort(specs.begin(), specs.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return specs;
}

std::string gguf_name(std::string_view hf_name) {
  const std::size_t dot = hf_name.rfind('.');
  INVAR_CHECK(dot != std::string_view::npos, "{}", hf_name);
  const std::string_view suffix = hf_name.substr(dot);  // ".weight" or ".bias"
  std::string_view base = hf_name.substr(0, dot);
  for (const NamePair& pair : kModelNames) {
    if (pair.hf == base) return fmt::format("{}{}", pair.gguf, suffix);
  }
  INVAR_CHECK(base.substr(0, kLayerPrefix.size()) == kLayerPrefix, "{}", hf_name);
  base.remove_prefix(kLayerPrefix.size());
  const std::size_t end = base.find('.');
  INVAR_CHECK(end != std::string_view::npos, "{}", hf_name);
  for (const NamePair& pair : kLayerNames) {
    if (pair.hf == base.substr(end + 1))
      return fmt::format("blk.{}.{}{}", base.substr(0, end), pair.gguf, suffix);
  }
  INVAR_CHECK(false, "{} has no GGUF name", hf_name);
  return {};
}

int64_t parameter_count(const ModelConfig& config) {
  int64_t count = 0;
  for (const WeightSpec& spec : weight_specs(config)) {
    int64_t elements = 1;
    for (int64_t size : spec.shape) elements *= size;
    count += elements;
  }
  return count;
}

}  // namespace invar
