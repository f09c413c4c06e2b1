// SamplingParams: what a user may ask of sampling, under the names that OpenAI's API, vLLM and
// SGLang use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/sample.h"
#include "sampling/logits_processors.h"

namespace invar {

struct SamplingParams {
  float temperature = 1.0f;           // 0: always the likeliest token; otherwise at least 1e-5
  int32_t top_k = 0;                  // 0 or -1: all
  float top_p = 1.0f;                 // (0, 1]
  float min_p = 0.0f;                 // [0, 1]
  float repetition_penalty = 1.0f;    // (0, 10]
  float presence_penalty = 0.0f;      // [-2, 2]
  float frequency_penalty = 0.0f;     // [-2, 2]
  std::vector<TokenBias> logit_bias;  // each in [-100, 100], each token once
  uint64_t seed = 0;
  int64_t n = 1;                        // samples of the prompt, 1 .. 65536
  int64_t max_tokens = 16;              // generated at most, >= 0; 0 only scores the prompt
  int64_t min_tokens = 0;               // no end of sequence and no stop before these, <= max_tokens
  std::vector<std::string> stop;        // generation ends before the first of these; none empty
  std::vector<int32_t> stop_token_ids;  // or at one of these
  bool ignore_eos = false;

  Penalties penalties() const { return {repetition_penalty, presence_penalty, frequency_penalty}; }
};

// Ok, or one line that names the parameter, what was expected and what was found. vocab: V of the
// model.
Status validate(const SamplingParams& params, int64_t vocab);

// The seed of sample `index` of a request with `seed`: NUM-PHILOX of the index under the seed, so
// that no sample depends on how many others there are.
uint64_t sample_seed(uint64_t seed, uint64_t index);

// The rule for drawing the token at an absolute position of sample `index`. params are valid.
SampleRule sample_rule(const SamplingParams& params, uint64_t index, int64_t position);

}  // namespace invar
