// Sampling options: what the command line asks for, over what the model suggests (generation_config.json).
#pragma once

#include <optional>
#include <string>

#include "model/config.h"
#include "sampling/sampling_params.h"

namespace invar {

struct SamplingOptions {
  std::string
      defaults;  // --sampling-defaults: where options that are not given come from, "model" or "greedy"
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
  SamplingParams rest;  // every other field, with the command's own defaults
};

// The parameters of a run. "greedy": the likeliest token. "model": the model's own suggestion; where it suggests
// nothing at all, temperature 0.3 and top_p 0.9, which suit small chat models.
// Errors: another word, or what validate() refuses. vocab: V, or the largest V where no model is open yet.
Result<SamplingParams> resolve_sampling(const SamplingOptions& options, const GenerationDefaults& model,
                                        int64_t vocab);

// "temperature 0.3, top_p 0.9, seed 0": what differs from plain sampling, or "greedy".
std::string describe_sampling(const SamplingParams& params);

// True when the model suggests anything.
bool suggests_sampling(const GenerationDefaults& model);

}  // namespace invar
