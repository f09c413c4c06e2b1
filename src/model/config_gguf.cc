// ModelConfig from GGUF metadata. Key names: gguf-py, gguf/constants.py.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "io/quote.h"
#include "model/config.h"
#include "model/config_limits.h"

namespace invar {
namespace {

// Keys under "<architecture>." that we read, or that leave the computation unchanged at the values we accept.
// Any other key may change it, so it is refused.
constexpr std::string_view kKnownKeys[] = {"context_length",
                                           "embedding_length",
                                           "block_count",
                                           "feed_forward_length",
                                           "vocab_size",
                                           "expert_count",
                                           "expert_used_count",
                                           "tensor_data_layout",
                                           "attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.key_length",
                                           "attention.value_length",
                                           "attention.layer_norm_rms_epsilon",
                                           "attention.causal",
                                           "attention.sliding_window",
                                           "rope.dimension_count",
                                           "rope.freq_base",
                                           "rope.scaling.type",
                                           "rope.scaling.factor",
                                           "rope.scaling.original_context_length",
                                           "rope.scaling.finetuned",
                                           "rope.scaling.attn_factor",
                                           "rope.scaling.yarn_ext_factor",
                                           "rope.scaling.yarn_attn_factor",
                                           "rope.scaling.yarn_beta_fast",
                                           "rope.scaling.yarn_beta_slow"};

// The values of one architecture, with errors that name file and key.
class Metadata {
 public:
  Metadata(const GgufFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture) + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return file_.find(key(name)) != nullptr; }

  Result<int64_t> require_int(std::string_view name, int64_t low, int64_t high) const {
    const std::optional<uint64_t> value = file_.find_uint(key(name));
    if (!value || *value < static_cast<uint64_t>(low) || *value > static_cast<uint64_t>(high)) {
      return error("{}: {}: expected an integer of {} to {}, found {}", file_.path(), key(name), low, high,
                   found(name));
    }
    return static_cast<int64_t>(*value);
  }
  Result<int64_t> get_int(std::string_view name, int64_t low, int64_t high, int64_t otherwise) const {
    if (!has(name)) return otherwise;
    return require_int(name, low, high);
  }
  Result<double> require_number(std::string_view name, double low, double high) const {
    const std::optional<double> value = file_.find_float(key(name));
    if (!value || !(*value >= low && *value <= high)) {
      return error("{}: {}: expected a number of {} to {}, found {}", file_.path(), key(name), low, high,
                   found(name));
    }
    return *value;
  }
  Result<double> get_number(std::string_view name, double low, double high, double otherwise) const {
    if (!has(name)) return otherwise;
    return require_number(name, low, high);
  }

  Status check_known() const {
    for (const auto& [name, value] : file_.values()) {
      if (name.rfind(prefix_, 0) != 0) continue;
      const std::string_view rest = std::string_view(name).substr(prefix_.size());
      if (std::find(std::begin(kKnownKeys), std::end(kKnownKeys), rest) == std::end(kKnownKeys)) {
        return error("{}: found the key {}, which is not supported", file_.path(), quote(name));
      }
    }
    if (file_.find(key("attention.causal")) != nullptr && file_.find_bool(key("attention.causal")) != true) {
      return error("{}: {}: expected true, found {}", file_.path(), key("attention.causal"),
                   found("attention.causal"));
    }
    for (const char* name : {"expert_count", "expert_used_count", "attention.sliding_window"}) {
      INVAR_TRY(const int64_t unused, get_int(name, 0, 0, 0));
      (void)unused;
    }
    return Ok{};
  }

 private:
  std::string found(std::string_view name) const {
    const GgufValue* value = file_.find(key(name));
    if (value == nullptr) return "nothing";
    if (const auto* number = std::get_if<uint64_t>(&value->value)) return std::to_string(*number);
    if (const auto* number = std::get_if<int64_t>(&value->value)) return std::to_string(*number);
    if (const auto* number = std::get_if<double>(&value->value)) return fmt::format("{}", *number);
    if (const auto* text = std::get_if<std::string>(&value->value)) return quote(*text);
    return fmt::format("a value of type {}", gguf_type_name(value->type));
  }

  const GgufFile& file_;
  std::string prefix_;
};

Status parse_scaling(const GgufFile& file, const Metadata& meta, int64_t max_position, RopeConfig* rope) {
  const std::string type_key = meta.key("rope.scaling.type");
  const std::string* type = file.find_string(type_key);
  if (type == nullptr || *type == "none") {
    if (type == nullptr && meta.has("rope.scaling.factor")) {
      return error("{}: {}: expected a string beside rope.scaling.factor, found nothing", file.path(),
                   type_key);
    }
    return Ok{};
  }
  if (*type != "linear" && *type != "yarn") {
    return error("{}: {}: found {}; supported: none, linear, yarn", file.path(), type_key, quote(*type));
  }
  INVAR_TRY(rope->factor, meta.require_number("rope.scaling.factor", 1.0, 1e6));
  rope->scaling = *type == "linear" ? RopeScaling::kLinear : RopeScaling::kYarn;
  if (rope->scaling == RopeScaling::kLinear) return Ok{};
  INVAR_TRY(rope->original_max_position,
            meta.get_int("rope.scaling.original_context_length", 1, kPositionsMax, max_position));
  INVAR_TRY(rope->beta_fast, meta.get_number("rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32.0));
  INVAR_TRY(rope->beta_slow, meta.get_number("rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1.0));
  // llama.cpp multiplies YaRN's own attention factor by these; other values have no counterpart here.
  for (const char* name :
       {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor"}) {
    INVAR_TRY(const double factor, meta.get_number(name, 1.0, 1.0, 1.0));
    (void)factor;
  }
  return Ok{};
}

// convert_hf_to_gguf.py stores Llama 3.1's scaling as one divisor for each frequency, rope_freqs.weight [D/2], in place
// of its parameters. We find the parameters again, so that the angles' bits are those of the Hugging Face folder: all
// published models have low 1, high 4, original length 8192; the factor is the divisor of the longest wave.
Status recover_llama3(const GgufFile& file, const GgufTensor& tensor, int64_t head_dim, RopeConfig* rope) {
  if (rope->scaling != RopeScaling::kNone || tensor.type != GgmlType::kF32 ||
      tensor.shape != std::vector<int64_t>{head_dim / 2}) {
    return error("{}: rope_freqs.weight: expected {} values of F32 and no other scaling", file.path(),
                 head_dim / 2);
  }
  std::vector<float> divisors(static_cast<std::size_t>(head_dim / 2));
  std::memcpy(divisors.data(), tensor.data.data(), tensor.data.size());
  RopeConfig found = *rope;
  found.scaling = RopeScaling::kLlama3;
  found.factor = std::round(divisors.back());
  found.original_max_position = 8192;
  bool fits = found.factor >= 1.0 && found.factor <= 1024.0;
  if (fits) {
    INVAR_TRY(const RopeFrequencies unscaled, rope_frequencies(*rope, head_dim));
    INVAR_TRY(const RopeFrequencies scaled, rope_frequencies(found, head_dim));
    for (std::size_t i = 0; fits && i < divisors.size(); ++i) {
      const float expected = unscaled.inv_freq[i] / scaled.inv_freq[i];
      fits = std::abs(divisors[i] - expected) <= 1e-3f * expected;  // the file's were computed in fp32
    }
  }
  if (!fits) {
    return error(
        "{}: rope_freqs.weight: expected the divisors of Llama 3's RoPE scaling (low 1, high 4, original "
        "length 8192), found others; use the model's safetensors files",
        file.path());
  }
  *rope = found;
  return Ok{};
}

Result<RopeConfig> parse_rope(const GgufFile& file, const Metadata& meta, const ModelConfig& config) {
  RopeConfig rope;
  INVAR_TRY(rope.theta, meta.get_number("rope.freq_base", 1.0, 1e30, rope.theta));
  INVAR_TRY(const int64_t dims, meta.get_int("rope.dimension_count", 1, kHeadDimMax, config.head_dim));
  if (dims != config.head_dim) {
    return error("{}: {}: expected the head dimension {} (RoPE covers the whole head only), found {}",
                 file.path(), meta.key("rope.dimension_count"), config.head_dim, dims);
  }
  INVAR_RETURN_IF_ERROR(parse_scaling(file, meta, config.max_position, &rope));
  if (const GgufTensor* tensor = file.find_tensor("rope_freqs.weight")) {
    INVAR_RETURN_IF_ERROR(recover_llama3(file, *tensor, config.head_dim, &rope));
  }
  return rope;
}

Status parse_sizes(const GgufFile& file, const Metadata& meta, ModelConfig* out) {
  INVAR_TRY(out->hidden_size, meta.require_int("embedding_length", 1, kHiddenMax));
  INVAR_TRY(out->intermediate_size, meta.require_int("feed_forward_length", 1, kIntermediateMax));
  INVAR_TRY(out->layers, meta.require_int("block_count", 1, kLayersMax));
  INVAR_TRY(out->heads, meta.require_int("attention.head_count", 1, kHeadsMax));
  INVAR_TRY(out->kv_heads, meta.get_int("attention.head_count_kv", 1, kHeadsMax, out->heads));
  INVAR_TRY(out->max_position, meta.require_int("context_length", 1, kPositionsMax));
  INVAR_TRY(const double eps, meta.require_number("attention.layer_norm_rms_epsilon", 0.0, 1.0));
  out->rms_eps = static_cast<float>(eps);
  INVAR_TRY(out->head_dim,
            meta.get_int("attention.key_length", 2, kHeadDimMax, out->hidden_size / out->heads));
  INVAR_TRY(const int64_t value_dim, meta.get_int("attention.value_length", 2, kHeadDimMax, out->head_dim));
  if (value_dim != out->head_dim) {
    return error("{}: {}: expected the key length {}, found {}", file.path(),
                 meta.key("attention.value_length"), out->head_dim, value_dim);
  }
  if (!meta.has("attention.key_length") && out->hidden_size % out->heads != 0) {
    return error("{}: {}: expected a multiple of the {} heads, found {}", file.path(),
                 meta.key("embedding_length"), out->heads, out->hidden_size);
  }
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return error("{}: expected a tensor token_embd.weight of two dimensions, found none", file.path());
  }
  out->vocab_size = embedding->shape[0];
  INVAR_TRY(const int64_t vocab, meta.get_int("vocab_size", 1, kVocabMax, out->vocab_size));
  if (vocab != out->vocab_size) {
    return error("{}: {}: expected {}, the rows of token_embd.weight, found {}", file.path(),
                 meta.key("vocab_size"), out->vocab_size, vocab);
  }
  return Ok{};
}

Status parse_tokens_and_sampling(const GgufFile& file, ModelConfig* out) {
  const Metadata tokenizer(file, "tokenizer.ggml"), sampling(file, "general.sampling");
  // End of text, of turn, of message: each ends a completion.
  for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    if (!tokenizer.has(name)) continue;
    INVAR_TRY(const int64_t id, tokenizer.require_int(name, 0, kVocabMax));
    out->eos_ids.push_back(id);
  }
  std::sort(out->eos_ids.begin(), out->eos_ids.end());
  out->eos_ids.erase(std::unique(out->eos_ids.begin(), out->eos_ids.end()), out->eos_ids.end());
  if (tokenizer.has("bos_token_id")) {
    INVAR_TRY(out->bos_id, tokenizer.require_int("bos_token_id", 0, kVocabMax));
  }
  if (sampling.has("temp")) {
    INVAR_TRY(out->generation.temperature, sampling.require_number("temp", 0.0, 100.0));
  }
  if (sampling.has("top_p")) {
    INVAR_TRY(out->generation.top_p, sampling.require_number("top_p", 0.0, 1.0));
  }
  if (sampling.has("min_p")) {
    INVAR_TRY(out->generation.min_p, sampling.require_number("min_p", 0.0, 1.0));
  }
  if (sampling.has("top_k")) {
    INVAR_TRY(out->generation.top_k, sampling.require_int("top_k", 0, kVocabMax));
  }
  return Ok{};
}

}  // namespace

Result<ModelConfig> parse_gguf_config(const GgufFile& file) {
  const std::string* name = file.find_string("general.architecture");
  ModelConfig out;
  if (name != nullptr && *name == "llama") {
    out.architecture = Architecture::kLlama;
  } else if (name != nullptr && *name == "qwen2") {
    out.architecture = Architecture::kQwen2;
  } else if (name != nullptr && *name == "qwen3") {
    out.architecture = Architecture::kQwen3;
  } else {
    return error("{}: general.architecture: found {}; supported: llama, qwen2, qwen3", file.path(),
                 name == nullptr ? "nothing" : quote(*name));
  }
  if (file.find_uint("split.count").value_or(1) > 1) {
    return error(
        "{}: split.count: expected a whole model, found one of {} parts; merge them with llama-gguf-split",
        file.path(), *file.find_uint("split.count"));
  }
  const Metadata meta(file, *name);
  INVAR_RETURN_IF_ERROR(meta.check_known());
  INVAR_RETURN_IF_ERROR(parse_sizes(file, meta, &out));
  INVAR_TRY(out.rope, parse_rope(file, meta, out));
  out.tie_embeddings = file.find_tensor("output.weight") == nullptr;
  out.qkv_bias = out.architecture == Architecture::kQwen2 || file.find_tensor("blk.0.attn_q.bias") != nullptr;
  out.output_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  out.qk_norm = out.architecture == Architecture::kQwen3;
  INVAR_RETURN_IF_ERROR(parse_tokens_and_sampling(file, &out));
  INVAR_RETURN_IF_ERROR(check_config(out, file.path()));
  return out;
}

}  // namespace invar
