// What a model is: sizes, positions, special tokens. Read from Hugging Face's config.json or from GGUF metadata.
//
// Fail closed: what we do not compute exactly as the model means it is refused here, in one line that says what was
// found and what is supported. Every size is bounded, so that no later allocation can explode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/gguf.h"
#include "io/json.h"
#include "numerics/rope_table.h"

namespace invar {

enum class Architecture { kLlama, kQwen2, kQwen3 };

// "LlamaForCausalLM", as config.json spells it.
std::string_view architecture_name(Architecture architecture);

// What generation_config.json (or GGUF's general.sampling.*) suggests; nothing where it is silent.
struct GenerationDefaults {
  std::optional<bool> do_sample;  // false: greedy, whatever the rest says
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<int64_t> top_k;
  std::optional<double> repetition_penalty;

  friend bool operator==(const GenerationDefaults&, const GenerationDefaults&) = default;
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  int64_t vocab_size = 0;         // V, rows of the embedding
  int64_t hidden_size = 0;        // C
  int64_t intermediate_size = 0;  // F
  int64_t layers = 0;
  int64_t heads = 0;         // H
  int64_t kv_heads = 0;      // G; divides H
  int64_t head_dim = 0;      // D; even; H * D need not be C
  int64_t max_position = 0;  // tokens of context the model was made for
  float rms_eps = 1e-6f;
  RopeConfig rope;
  bool tie_embeddings = false;  // the LM head is the embedding
  bool qkv_bias = false;        // q, k and v have a bias
  bool output_bias = false;     // so has the attention's output
  bool qk_norm = false;         // RMSNorm of each head of q and k before RoPE
  std::optional<int64_t> bos_id;
  std::vector<int64_t> eos_ids;  // any of them ends a completion; ascending
  GenerationDefaults generation;

  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// `folder`/config.json and, where there is one, generation_config.json.
Result<ModelConfig> read_hf_config(const std::string& folder);

// The same from parsed documents; `generation` may be null (nullptr). `where` begins the messages.
Result<ModelConfig> parse_hf_config(const Json& config, const Json* generation, const std::string& where);

// From a GGUF file's metadata and the names and shapes of its tensors (general.architecture llama, qwen2 or qwen3).
Result<ModelConfig> parse_gguf_config(const GgufFile& file);

// Bounds and relations that hold for every model, whatever file it came from.
Status check_config(const ModelConfig& config, const std::string& where);

}  // namespace invar
