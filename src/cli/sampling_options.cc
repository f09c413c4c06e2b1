#include "cli/sampling_options.h"

namespace invar {
namespace {

// The option; or the model's value, which JSON gives as a double; or `otherwise`.
template <class T, class U>
T choose(const std::optional<T>& option, const std::optional<U>& suggested, T otherwise) {
  if (option) return *option;
  return suggested ? static_cast<T>(*suggested) : otherwise;
}

GenerationDefaults defaults_of(const std::string& source, const GenerationDefaults& model) {
  GenerationDefaults greedy;
  greedy.temperature = 0;
  if (source == "greedy") return greedy;
  if (!suggests_sampling(model)) {
    GenerationDefaults fallback;
    fallback.temperature = 0.3;
    fallback.top_p = 0.9;
    return fallback;
  }
  GenerationDefaults suggested = model;
  if (model.do_sample == false) suggested.temperature = 0;
  return suggested;
}

}  // namespace

bool suggests_sampling(const GenerationDefaults& model) { return !(model == GenerationDefaults{}); }

Result<SamplingParams> resolve_sampling(const SamplingOptions& options, const GenerationDefaults& model,
                                        int64_t vocab) {
  if (options.defaults != "model" && options.defaults != "greedy")
    return error("--sampling-defaults: expected model or greedy, found \"{}\"", options.defaults);
  const GenerationDefaults defaults = defaults_of(options.defaults, model);
  SamplingParams params = options.rest;
  params.temperature = choose(options.temperature, defaults.temperature, 1.0f);
  params.top_k = choose(options.top_k, defaults.top_k, 0);
  params.top_p = choose(options.top_p, defaults.top_p, 1.0f);
  params.min_p = choose(options.min_p, defaults.min_p, 0.0f);
  params.repetition_penalty = choose(options.repetition_penalty, defaults.repetition_penalty, 1.0f);
  INVAR_RETURN_IF_ERROR(validate(params, vocab));
  return params;
}

std::string describe_sampling(const SamplingParams& params) {
  std::string text = params.temperature == 0 ? "greedy" : fmt::format("temperature {}", params.temperature);
  const auto add = [&text](const char* name, auto value, auto plain) {
    if (value != plain) text += fmt::format(", {} {}", name, value);
  };
  if (params.temperature != 0) {
    if (params.top_k > 0) text += fmt::format(", top_k {}", params.top_k);
    add("top_p", params.top_p, 1.0f);
    add("min_p", params.min_p, 0.0f);
  }
  add("repetition_penalty", params.repetition_penalty, 1.0f);
  add("presence_penalty", params.presence_penalty, 0.0f);
  add("frequency_penalty", params.frequency_penalty, 0.0f);
  if (params.temperature != 0) text += fmt::format(", seed {}", params.seed);
  return text;
}

}  // namespace invar
