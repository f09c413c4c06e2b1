#include "train/checkpoint_model.h"

#include <charconv>
#include <cmath>

#include "io/gguf_write.h"
#include "io/mapped_file.h"

namespace invar {
namespace {

constexpr int64_t kFileBytesMax = 256 << 20;

// In name order. Without the model's own source code, which nothing that we support needs.
constexpr const char* kHuggingFaceFiles[] = {
    "added_tokens.json", "chat_template.jinja",     "config.json",    "generation_config.json",
    "merges.txt",        "special_tokens_map.json", "tokenizer.gguf", "tokenizer.json",
    "tokenizer.model",   "tokenizer_config.json",   "vocab.json"};

// The shortest decimal that is `value`, as the double that JSON holds: 1e-05 rather than 9.999999747378752e-06.
double json_number(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double out = 0;
  std::from_chars(text, end, out);
  return static_cast<float>(out) == value ? out : static_cast<double>(value);
}

std::string_view model_type(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama: return "llama";
    case Architecture::kQwen2: return "qwen2";
    case Architecture::kQwen3: return "qwen3";
  }
  return "?";
}

// transformers 4's keys; 5 reads them too.
void put_rope(const RopeConfig& rope, Json& json) {
  json["rope_theta"] = rope.theta;
  if (rope.scaling == RopeScaling::kNone) return;
  Json& scaling = json["rope_scaling"];
  scaling = {{"rope_theta", rope.theta}, {"factor", rope.factor}};
  switch (rope.scaling) {
    case RopeScaling::kNone: break;
    case RopeScaling::kLinear: scaling["rope_type"] = "linear"; break;
    case RopeScaling::kLlama3:
      scaling["rope_type"] = "llama3";
      scaling["low_freq_factor"] = rope.low_freq_factor;
      scaling["high_freq_factor"] = rope.high_freq_factor;
      break;
    case RopeScaling::kYarn:
      scaling["rope_type"] = "yarn";
      scaling["beta_fast"] = rope.beta_fast;
      scaling["beta_slow"] = rope.beta_slow;
      scaling["truncate"] = rope.truncate;
      if (rope.attention_factor) scaling["attention_factor"] = *rope.attention_factor;
      if (rope.mscale) scaling["mscale"] = *rope.mscale;
      if (rope.mscale_all_dim) scaling["mscale_all_dim"] = *rope.mscale_all_dim;
      break;
  }
  if (rope.scaling != RopeScaling::kLinear) {
    scaling["original_max_position_embeddings"] = rope.original_max_position;
  }
}

void put_token_ids(const ModelConfig& config, Json& json) {
  if (config.bos_id) json["bos_token_id"] = *config.bos_id;
  if (config.eos_ids.size() == 1) json["eos_token_id"] = config.eos_ids[0];
  if (config.eos_ids.size() > 1) json["eos_token_id"] = config.eos_ids;
}

ModelFile json_file(const char* name, const Json& json) { return {name, json.dump(2) + "\n"}; }

}  // namespace

Result<Json> hf_config(const ModelConfig& config) {
  const bool qwen2 = config.architecture == Architecture::kQwen2;
  // Qwen2 has its biases built in; the others have one key for those of q, k, v and the output.
  if (qwen2 ? !config.qkv_bias || config.output_bias : config.qkv_bias != config.output_bias) {
    return error("config.json has no key for a {} {} a bias of q, k, v and {} one of the attention's output",
                 architecture_name(config.architecture), config.qkv_bias ? "with" : "without",
                 config.output_bias ? "with" : "without");
  }
  Json json = {{"architectures", {std::string(architecture_name(config.architecture))}},
               {"model_type", std::string(model_type(config.architecture))},
               {"vocab_size", config.vocab_size},
               {"hidden_size", config.hidden_size},
               {"intermediate_size", config.intermediate_size},
               {"num_hidden_layers", config.layers},
               {"num_attention_heads", config.heads},
               {"num_key_value_heads", config.kv_heads},
               {"head_dim", config.head_dim},
               {"max_position_embeddings", config.max_position},
               {"rms_norm_eps", json_number(config.rms_eps)},
               {"tie_word_embeddings", config.tie_embeddings},
               {"hidden_act", "silu"},
               {"torch_dtype", "bfloat16"}};
  if (config.architecture == Architecture::kLlama) json["mlp_bias"] = false;
  if (config.architecture != Architecture::kLlama) json["use_sliding_window"] = false;
  if (!qwen2) json["attention_bias"] = config.qkv_bias;
  put_rope(config.rope, json);
  put_token_ids(config, json);
  return json;
}

Json hf_generation_config(const ModelConfig& config) {
  Json json = Json::object();
  put_token_ids(config, json);
  const GenerationDefaults& defaults = config.generation;
  if (defaults.do_sample) json["do_sample"] = *defaults.do_sample;
  if (defaults.top_k) json["top_k"] = *defaults.top_k;
  if (defaults.temperature) json["temperature"] = *defaults.temperature;
  if (defaults.top_p) json["top_p"] = *defaults.top_p;
  if (defaults.min_p) json["min_p"] = *defaults.min_p;
  if (defaults.repetition_penalty) json["repetition_penalty"] = *defaults.repetition_penalty;
  return json;
}

Result<std::vector<ModelFile>> read_model_files(const WeightSource& source) {
  std::vector<ModelFile> files;
  if (const GgufFile* gguf = source.gguf()) {
    Result<Json> config = hf_config(source.config());
    if (!config)
      return error("{}: {}; train from the model's safetensors files", source.path(), config.message());
    files.push_back(json_file("config.json", *config));
    files.push_back(json_file("generation_config.json", hf_generation_config(source.config())));
    if (gguf->find("tokenizer.ggml.model") != nullptr) {
      files.push_back({"tokenizer.gguf", gguf_metadata(*gguf, "tokenizer.")});
    }
    return files;
  }
  for (const char* name : kHuggingFaceFiles) {
    const std::string path = source.folder() + "/" + name;
    if (!is_file(path)) continue;
    INVAR_TRY(std::string bytes, read_file(path, kFileBytesMax));
    files.push_back({name, std::move(bytes)});
  }
  return files;
}

}  // namespace invar
