#include "model/config.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "io/mapped_file.h"
#include "io/quote.h"
#include "model/config_limits.h"

namespace invar {
namespace {

constexpr double kNumberMax = 1e30;  // for numbers whose bounds are checked elsewhere

Result<Architecture> parse_architecture(const JsonObject& config) {
  constexpr std::string_view kSupported = "LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM";
  const Json* names = config.find("architectures");
  if (names == nullptr || !names->is_array() || names->size() != 1 || !names->front().is_string()) {
    return config.mismatch("architectures", fmt::format("an array with one of {}", kSupported));
  }
  const std::string& name = names->front().get_ref<const std::string&>();
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3}) {
    if (architecture_name(architecture) == name) return architecture;
  }
  return error("{}: architectures: found {}; supported: {}", config.where(), quote(name), kSupported);
}

// Keys that change the computation in a way we do not have. `harmless` is the value that leaves it unchanged.
Status refuse_if_used(const JsonObject& config, std::string_view key, const Json& harmless,
                      std::string_view why) {
  const Json* value = config.find(key);
  if (value == nullptr || *value == harmless) return Ok{};
  return error("{} ({})", config.mismatch(key, harmless.is_null() ? "nothing" : harmless.dump()).message,
               why);
}

Status refuse_unsupported(const JsonObject& config, Architecture architecture) {
  const Json* quantization = config.find("quantization_config");
  if (quantization != nullptr) {
    const Json method = quantization->is_object() ? quantization->value("quant_method", Json()) : Json();
    return error("{}: quantization_config: found {}; supported: weights in F32, F16 or BF16, or a GGUF file",
                 config.where(), method.is_string() ? quote(method.get<std::string>()) : "a quantised model");
  }
  const std::string_view model_type = architecture == Architecture::kLlama   ? "llama"
                                      : architecture == Architecture::kQwen2 ? "qwen2"
                                                                             : "qwen3";
  INVAR_TRY(const std::string found_type, config.get_string("model_type", std::string(model_type)));
  if (found_type != model_type) {
    return error("{}: model_type: expected \"{}\" for {}, found {}", config.where(), model_type,
                 architecture_name(architecture), quote(found_type));
  }
  INVAR_TRY(const std::string activation, config.get_string("hidden_act", "silu"));
  if (activation != "silu") {
    return error("{}: hidden_act: found {}; supported: \"silu\"", config.where(), quote(activation));
  }
  INVAR_RETURN_IF_ERROR(refuse_if_used(config, "mlp_bias", false, "no bias in the MLP is supported"));
  INVAR_RETURN_IF_ERROR(
      refuse_if_used(config, "use_sliding_window", false, "sliding windows are not supported"));
  INVAR_RETURN_IF_ERROR(refuse_if_used(config, "dual_chunk_attention_config", nullptr, "not supported"));
  INVAR_RETURN_IF_ERROR(
      refuse_if_used(config, "partial_rotary_factor", 1.0, "RoPE covers the whole head only"));
  INVAR_RETURN_IF_ERROR(
      refuse_if_used(config, "rope_interleaved", false, "RoPE pairs the halves of a head only"));
  INVAR_RETURN_IF_ERROR(refuse_if_used(config, "is_encoder_decoder", false, "not supported"));
  if (const Json* types = config.find("layer_types")) {
    for (const Json& type : *types) {
      if (type == "full_attention") continue;
      return error("{}: layer_types: expected \"full_attention\" for every layer, found {}", config.where(),
                   type.is_string() ? quote(type.get<std::string>()) : "another kind");
    }
  }
  return Ok{};
}

Status parse_llama3(const JsonObject& rope, RopeConfig* out) {
  INVAR_TRY(out->low_freq_factor, rope.require_number("low_freq_factor", 1e-3, 1e6));
  INVAR_TRY(out->high_freq_factor, rope.require_number("high_freq_factor", 1e-3, 1e6));
  return Ok{};
}

Status parse_yarn(const JsonObject& rope, RopeConfig* out) {
  INVAR_TRY(out->beta_fast, rope.get_number("beta_fast", 1e-3, 1e6, 32.0));
  INVAR_TRY(out->beta_slow, rope.get_number("beta_slow", 1e-3, 1e6, 1.0));
  INVAR_TRY(out->truncate, rope.get_bool("truncate", true));
  for (const auto& [key, field] :
       {std::pair{"attention_factor", &RopeConfig::attention_factor},
        std::pair{"mscale", &RopeConfig::mscale}, std::pair{"mscale_all_dim", &RopeConfig::mscale_all_dim}}) {
    if (!rope.has(key)) continue;
    INVAR_TRY(out->*field, rope.require_number(key, 1e-3, 1e3));
  }
  return Ok{};
}

// A key that we do not know may change the angles, so it is refused.
Status check_rope_keys(const JsonObject& rope, const std::string& type) {
  std::vector<std::string_view> known = {"rope_type", "type", "rope_theta", "partial_rotary_factor"};
  if (type != "default") known.push_back("factor");
  if (type == "llama3") {
    known.insert(known.end(), {"low_freq_factor", "high_freq_factor", "original_max_position_embeddings"});
  } else if (type == "yarn") {
    known.insert(known.end(), {"beta_fast", "beta_slow", "truncate", "attention_factor", "mscale",
                               "mscale_all_dim", "original_max_position_embeddings"});
  }
  for (const auto& item : rope.json().items()) {
    if (item.value().is_null() || std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    return error("{}: found the key {}, which is not supported for rope_type \"{}\"", rope.where(),
                 quote(item.key()), type);
  }
  return refuse_if_used(rope, "partial_rotary_factor", 1.0, "RoPE covers the whole head only");
}

// Fills `out` from one dictionary of parameters: rope_scaling (with rope_theta beside it) or rope_parameters (with
// rope_theta inside).
Status parse_rope_parameters(const JsonObject& config, const JsonObject& rope, int64_t max_position,
                             RopeConfig* out) {
  INVAR_TRY(const std::string old_type, rope.get_string("type", "default"));
  INVAR_TRY(const std::string type, rope.get_string("rope_type", old_type));
  constexpr std::pair<std::string_view, RopeScaling> kTypes[] = {{"default", RopeScaling::kNone},
                                                                 {"linear", RopeScaling::kLinear},
                                                                 {"llama3", RopeScaling::kLlama3},
                                                                 {"yarn", RopeScaling::kYarn}};
  const auto known =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& t) { return t.first == type; });
  if (known == std::end(kTypes)) {
    return error("{}: rope_type: found {}; supported: default, linear, llama3, yarn", rope.where(),
                 quote(type));
  }
  out->scaling = known->second;
  INVAR_RETURN_IF_ERROR(check_rope_keys(rope, type));
  INVAR_TRY(out->theta, rope.get_number("rope_theta", 1.0, kNumberMax, out->theta));
  if (out->scaling == RopeScaling::kNone) return Ok{};

  if (out->scaling == RopeScaling::kLlama3 || out->scaling == RopeScaling::kYarn) {
    // Phi-3 and its kin write it beside the dictionary; that one wins, as in transformers.
    const JsonObject& holder = config.has("original_max_position_embeddings") ? config : rope;
    INVAR_TRY(out->original_max_position,
              holder.get_int("original_max_position_embeddings", 1, kPositionsMax, max_position));
  }
  if (out->scaling == RopeScaling::kYarn && !rope.has("factor")) {
    out->factor = static_cast<double>(max_position) / static_cast<double>(out->original_max_position);
  } else {
    INVAR_TRY(out->factor, rope.require_number("factor", 1.0, 1e6));
  }
  if (out->scaling == RopeScaling::kLlama3) return parse_llama3(rope, out);
  if (out->scaling == RopeScaling::kYarn) return parse_yarn(rope, out);
  return Ok{};
}

Result<RopeConfig> parse_rope(const JsonObject& config, int64_t max_position) {
  RopeConfig rope;
  INVAR_TRY(rope.theta, config.get_number("rope_theta", 1.0, kNumberMax, rope.theta));
  if (config.has("rope_scaling") && config.has("rope_parameters")) {
    return error("{}: expected rope_scaling or rope_parameters, found both", config.where());
  }
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.has(key)) continue;
    INVAR_TRY(const JsonObject parameters, config.require_object(key));
    INVAR_RETURN_IF_ERROR(parse_rope_parameters(config, parameters, max_position, &rope));
  }
  return rope;
}

Status parse_sizes(const JsonObject& config, ModelConfig* out) {
  INVAR_TRY(out->vocab_size, config.require_int("vocab_size", 1, kVocabMax));
  INVAR_TRY(out->hidden_size, config.require_int("hidden_size", 1, kHiddenMax));
  INVAR_TRY(out->intermediate_size, config.require_int("intermediate_size", 1, kIntermediateMax));
  INVAR_TRY(out->layers, config.require_int("num_hidden_layers", 1, kLayersMax));
  INVAR_TRY(out->heads, config.require_int("num_attention_heads", 1, kHeadsMax));
  INVAR_TRY(out->kv_heads, config.get_int("num_key_value_heads", 1, kHeadsMax, out->heads));
  INVAR_TRY(out->max_position, config.require_int("max_position_embeddings", 1, kPositionsMax));
  INVAR_TRY(const double eps, config.get_number("rms_norm_eps", 0.0, 1.0, 1e-6));
  out->rms_eps = static_cast<float>(eps);
  if (config.has("head_dim")) {
    INVAR_TRY(out->head_dim, config.require_int("head_dim", 2, kHeadDimMax));
  } else if (out->architecture == Architecture::kQwen3) {
    out->head_dim = 128;  // Qwen3Config's default, whatever the other sizes are
  } else if (out->hidden_size % out->heads != 0) {
    return error(
        "{}: hidden_size: expected a multiple of num_attention_heads {} (there is no head_dim), found {}",
        config.where(), out->heads, out->hidden_size);
  } else {
    out->head_dim = out->hidden_size / out->heads;
  }
  return Ok{};
}

Status parse_token_ids(const JsonObject& config, ModelConfig* out) {
  INVAR_TRY(std::vector<int64_t> eos, config.get_ints("eos_token_id", 0, kVocabMax));
  if (!eos.empty()) out->eos_ids = std::move(eos);
  INVAR_TRY(const std::vector<int64_t> bos, config.get_ints("bos_token_id", 0, kVocabMax));
  if (bos.size() > 1) return config.mismatch("bos_token_id", "one id");
  if (!bos.empty()) out->bos_id = bos[0];
  return Ok{};
}

Status parse_generation(const JsonObject& config, GenerationDefaults* out) {
  if (config.has("do_sample")) {
    INVAR_TRY(out->do_sample, config.get_bool("do_sample", false));
  }
  if (config.has("top_k")) {
    INVAR_TRY(out->top_k, config.require_int("top_k", 0, kVocabMax));
  }
  struct Number {
    const char* key;
    std::optional<double> GenerationDefaults::*field;
    double high;
  };
  for (const Number& number :
       {Number{"temperature", &GenerationDefaults::temperature, 100.0},
        Number{"top_p", &GenerationDefaults::top_p, 1.0}, Number{"min_p", &GenerationDefaults::min_p, 1.0},
        Number{"repetition_penalty", &GenerationDefaults::repetition_penalty, 100.0}}) {
    if (!config.has(number.key)) continue;
    INVAR_TRY(out->*number.field, config.require_number(number.key, 0.0, number.high));
  }
  return Ok{};
}

}  // namespace

std::string_view architecture_name(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama: return "LlamaForCausalLM";
    case Architecture::kQwen2: return "Qwen2ForCausalLM";
    case Architecture::kQwen3: return "Qwen3ForCausalLM";
  }
  return "?";
}

Result<ModelConfig> parse_hf_config(const Json& config_json, const Json* generation,
                                    const std::string& where) {
  INVAR_TRY(const JsonObject config, JsonObject::from(config_json, where));
  ModelConfig out;
  INVAR_TRY(out.architecture, parse_architecture(config));
  INVAR_RETURN_IF_ERROR(refuse_unsupported(config, out.architecture));
  INVAR_RETURN_IF_ERROR(parse_sizes(config, &out));
  INVAR_TRY(out.rope, parse_rope(config, out.max_position));
  INVAR_TRY(out.tie_embeddings, config.get_bool("tie_word_embeddings", false));
  if (out.architecture == Architecture::kQwen2) {
    out.qkv_bias = true;  // Qwen2Attention has it built in; config.json does not say
  } else {
    INVAR_TRY(out.qkv_bias, config.get_bool("attention_bias", false));
    out.output_bias = out.qkv_bias;
  }
  out.qk_norm = out.architecture == Architecture::kQwen3;
  INVAR_RETURN_IF_ERROR(parse_token_ids(config, &out));
  if (generation != nullptr) {
    INVAR_TRY(const JsonObject object, JsonObject::from(*generation, where + ": generation_config.json"));
    INVAR_RETURN_IF_ERROR(parse_token_ids(object, &out));
    INVAR_RETURN_IF_ERROR(parse_generation(object, &out.generation));
  }
  std::sort(out.eos_ids.begin(), out.eos_ids.end());
  out.eos_ids.erase(std::unique(out.eos_ids.begin(), out.eos_ids.end()), out.eos_ids.end());
  INVAR_RETURN_IF_ERROR(check_config(out, where));
  return out;
}

Result<ModelConfig> read_hf_config(const std::string& folder) {
  const std::string path = folder + "/config.json";
  const std::string generation_path = folder + "/generation_config.json";
  const JsonLimits limits{.bytes_max = 16 << 20};
  INVAR_TRY(const Json config, read_json_file(path, limits));
  if (!is_file(generation_path)) return parse_hf_config(config, nullptr, path);
  INVAR_TRY(const Json generation, read_json_file(generation_path, limits));
  return parse_hf_config(config, &generation, path);
}

Status check_config(const ModelConfig& c, const std::string& where) {
  struct Bound {
    const char* name;
    int64_t value, low, high;
  };
  for (const Bound& bound :
       {Bound{"vocab_size", c.vocab_size, 1, kVocabMax}, Bound{"hidden_size", c.hidden_size, 1, kHiddenMax},
        Bound{"intermediate_size", c.intermediate_size, 1, kIntermediateMax},
        Bound{"layers", c.layers, 1, kLayersMax}, Bound{"heads", c.heads, 1, kHeadsMax},
        Bound{"kv_heads", c.kv_heads, 1, c.heads}, Bound{"head_dim", c.head_dim, 2, kHeadDimMax},
        Bound{"max_position", c.max_position, 1, kPositionsMax}}) {
    if (bound.value < bound.low || bound.value > bound.high) {
      return error("{}: {}: expected {} to {}, found {}", where, bound.name, bound.low, bound.high,
                   bound.value);
    }
  }
  if (c.heads % c.kv_heads != 0) {
    return error("{}: kv_heads: expected a divisor of the {} query heads, found {}", where, c.heads,
                 c.kv_heads);
  }
  if (c.head_dim % 2 != 0) {
    return error("{}: head_dim: expected an even number (RoPE turns pairs), found {}", where, c.head_dim);
  }
  const int64_t attention = 2 * c.hidden_size * c.head_dim * (c.heads + c.kv_heads);
  const int64_t mlp = 3 * c.hidden_size * c.intermediate_size;
  const int64_t embeddings = (c.tie_embeddings ? 1 : 2) * c.vocab_size * c.hidden_size;
  if (attention + mlp > (kParametersMax - embeddings) / c.layers) {
    return error(
        "{}: expected at most {} parameters, found more (layers {}, hidden_size {}, intermediate_size {})",
        where, kParametersMax, c.layers, c.hidden_size, c.intermediate_size);
  }
  if (!(c.rms_eps >= 0.0f && c.rms_eps <= 1.0f)) {
    return error("{}: rms_eps: expected 0 to 1, found {}", where, c.rms_eps);
  }
  if (c.rope.scaling == RopeScaling::kLlama3 && !(c.rope.low_freq_factor < c.rope.high_freq_factor)) {
    return error("{}: RoPE: expected low_freq_factor < high_freq_factor, found {} and {}", where,
                 c.rope.low_freq_factor, c.rope.high_freq_factor);
  }
  if (c.rope.scaling == RopeScaling::kYarn && !(c.rope.beta_slow < c.rope.beta_fast)) {
    return error("{}: RoPE: expected beta_slow < beta_fast, found {} and {}", where, c.rope.beta_slow,
                 c.rope.beta_fast);
  }
  if (!(c.rope.theta >= 1.0 && c.rope.theta <= kNumberMax && c.rope.factor >= 1.0 && c.rope.factor <= 1e6)) {
    return error("{}: RoPE: expected theta and factor of 1 or more, found {} and {}", where, c.rope.theta,
                 c.rope.factor);
  }
  for (const int64_t id : c.eos_ids) {
    if (id >= c.vocab_size) {
      return error("{}: eos_token_id: expected ids below vocab_size {}, found {}", where, c.vocab_size, id);
    }
  }
  if (c.bos_id && *c.bos_id >= c.vocab_size) {
    return error("{}: bos_token_id: expected an id below vocab_size {}, found {}", where, c.vocab_size,
                 *c.bos_id);
  }
  return Ok{};
}

}  // namespace invar
