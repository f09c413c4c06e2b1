// What weights are called.
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

}  // namespace

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

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

int64_t WeightSpec::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

int64_t parameter_count(const ModelConfig& config) {
  int64_t count = 0;
  for (const WeightSpec& spec : weight_specs(config)) count += spec.elements();
  return count;
}

}  // namespace invar
