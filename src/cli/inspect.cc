// invar inspect: what a model is, without running it.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/session.h"
#include "cli/terminal.h"

namespace invar {
namespace {

using OrderedJson = nlohmann::ordered_json;

const char* scaling_name(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::kNone: return "default";
    case RopeScaling::kLinear: return "linear";
    case RopeScaling::kLlama3: return "llama3";
    case RopeScaling::kYarn: return "yarn";
  }
  return "?";
}

// The double of the shortest decimal of an fp32: 1e-05 rather than 9.999999747378752e-06.
double decimal(float x) { return std::stod(fmt::format("{}", x)); }

// What the model suggests for sampling; null without a suggestion.
OrderedJson sampling_json(const GenerationDefaults& defaults) {
  OrderedJson json;
  const auto put = [&json](const char* name, const auto& value) {
    if (value) json[name] = *value;
  };
  put("do_sample", defaults.do_sample);
  put("temperature", defaults.temperature);
  put("top_k", defaults.top_k);
  put("top_p", defaults.top_p);
  put("min_p", defaults.min_p);
  put("repetition_penalty", defaults.repetition_penalty);
  return json;
}

OrderedJson summary(const InspectCommand& command, const WeightSource& weights) {
  const ModelConfig& config = weights.config();
  const int64_t kv_bytes =
      config.layers * 2 * config.kv_heads * config.head_dim * static_cast<int64_t>(sizeof(bf16));
  return {{"path", command.path},
          {"architecture", architecture_name(config.architecture)},
          {"parameters", parameter_count(config)},
          {"weight_bytes", parameter_count(config) * static_cast<int64_t>(sizeof(bf16))},
          {"layers", config.layers},
          {"hidden_size", config.hidden_size},
          {"intermediate_size", config.intermediate_size},
          {"heads", config.heads},
          {"kv_heads", config.kv_heads},
          {"head_dim", config.head_dim},
          {"vocab_size", config.vocab_size},
          {"context", config.max_position},
          {"rms_eps", decimal(config.rms_eps)},
          {"rope_theta", config.rope.theta},
          {"rope_scaling", scaling_name(config.rope.scaling)},
          {"tied_embeddings", config.tie_embeddings},
          {"qkv_bias", config.qkv_bias},
          {"qk_norm", config.qk_norm},
          {"eos_ids", config.eos_ids},
          {"kv_bytes_per_token", kv_bytes},
          {"sampling_defaults", sampling_json(config.generation)}};
}

void print_text(const OrderedJson& json) {
  for (const auto& [key, value] : json.items()) {
    if (key == "tensors") continue;
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_null()) text = "none";
    if (key == "parameters") text += fmt::format(" ({:.1f} M)", value.get<double>() / 1e6);
    if (key == "weight_bytes") text += fmt::format(" ({:.1f} MiB in bf16)", value.get<double>() / (1 << 20));
    fmt::print("{:<20} {}\n", key, text);
  }
  if (!json.contains("tensors")) return;
  fmt::print("\n{:<56} {}\n", "tensor", "shape");
  for (const OrderedJson& tensor : json["tensors"]) {
    fmt::print("{:<56} {}\n", tensor["name"].get<std::string>(), tensor["shape"].dump());
  }
}

}  // namespace

int run_inspect(const InspectCommand& command) {
  auto weights = WeightSource::open(command.path);
  if (!weights.ok()) return fail(weights.message());
  OrderedJson json = summary(command, *weights);
  // A model without a tokenizer can still be inspected.
  if (auto tokenizer = open_tokenizer(*weights); tokenizer.ok()) {
    json["tokenizer_tokens"] = tokenizer->vocab_size();
    json["chat_template"] = !tokenizer->chat_template().empty();
  } else {
    json["tokenizer"] = tokenizer.message();
  }
  if (command.digest) {
    ThreadPool pool(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
    json["weights_sha256"] = weights->weights_digest(pool);
  }
  if (command.tensors) {
    json["tensors"] = OrderedJson::array();
    for (const WeightSpec& spec : weights->specs()) {
      json["tensors"].push_back({{"name", spec.name}, {"shape", spec.shape}});
    }
  }
  if (command.json) {
    fmt::print("{}\n", json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  } else {
    print_text(json);
  }
  return 0;
}

}  // namespace invar
