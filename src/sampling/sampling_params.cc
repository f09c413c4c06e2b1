#include "sampling/sampling_params.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "numerics/philox.h"

namespace invar {
namespace {

constexpr float kTemperatureMin = 1e-5f;  // below it logits / temperature would soon leave fp32's range
constexpr int64_t kSamplesMax = 65536;

// NaN is in no range.
bool within(float x, float low, float high) { return x >= low && x <= high; }

Status validate_filters(const SamplingParams& p) {
  if (p.temperature != 0 && !(p.temperature >= kTemperatureMin && std::isfinite(p.temperature)))
    return error(
        "temperature: expected 0 (the likeliest token) or a finite number of at least 1e-5, found "
        "{}",
        p.temperature);
  if (p.top_k < -1)
    return error("top_k: expected -1 or 0 (all tokens) or a count of at least 1, found {}", p.top_k);
  if (!(p.top_p > 0 && p.top_p <= 1))
    return error("top_p: expected a number above 0 and up to 1 (all tokens), found {}", p.top_p);
  if (!within(p.min_p, 0, 1))
    return error("min_p: expected a number from 0 (all tokens) to 1, found {}", p.min_p);
  return Ok{};
}

Status validate_logit_bias(const SamplingParams& p, int64_t vocab) {
  std::vector<int32_t> tokens;
  for (const TokenBias& b : p.logit_bias) {
    if (b.token < 0 || b.token >= vocab)
      return error("logit_bias: expected token ids from 0 to {}, found {}", vocab - 1, b.token);
    if (!within(b.bias, -100, 100))
      return error("logit_bias: expected numbers from -100 to 100, found {} for token {}", b.bias, b.token);
    tokens.push_back(b.token);
  }
  std::sort(tokens.begin(), tokens.end());
  const auto twice = std::adjacent_find(tokens.begin(), tokens.end());
  if (twice != tokens.end())
    return error("logit_bias: expected each token once, found token {} twice", *twice);
  return Ok{};
}

Status validate_penalties(const SamplingParams& p) {
  if (!(p.repetition_penalty > 0 && p.repetition_penalty <= 10))
    return error("repetition_penalty: expected a number above 0 and up to 10 (1 is none), found {}",
                 p.repetition_penalty);
  if (!within(p.presence_penalty, -2, 2))
    return error("presence_penalty: expected a number from -2 to 2, found {}", p.presence_penalty);
  if (!within(p.frequency_penalty, -2, 2))
    return error("frequency_penalty: expected a number from -2 to 2, found {}", p.frequency_penalty);
  return Ok{};
}

Status validate_lengths_and_stops(const SamplingParams& p, int64_t vocab) {
  if (p.n < 1 || p.n > kSamplesMax) return error("n: expected 1 to {} samples, found {}", kSamplesMax, p.n);
  if (p.max_tokens < 0) return error("max_tokens: expected at least 0, found {}", p.max_tokens);
  if (p.min_tokens < 0 || p.min_tokens > p.max_tokens)
    return error("min_tokens: expected 0 to max_tokens = {}, found {}", p.max_tokens, p.min_tokens);
  for (const std::string& s : p.stop)
    if (s.empty()) return error("stop: expected strings of at least one character, found an empty one");
  for (int32_t token : p.stop_token_ids)
    if (token < 0 || token >= vocab)
      return error("stop_token_ids: expected token ids from 0 to {}, found {}", vocab - 1, token);
  return Ok{};
}

}  // namespace

Status validate(const SamplingParams& params, int64_t vocab) {
  INVAR_CHECK(vocab > 0, "vocab = {}", vocab);
  INVAR_RETURN_IF_ERROR(validate_filters(params));
  INVAR_RETURN_IF_ERROR(validate_penalties(params));
  INVAR_RETURN_IF_ERROR(validate_logit_bias(params, vocab));
  return validate_lengths_and_stops(params, vocab);
}

uint64_t sample_seed(uint64_t seed, uint64_t index) { return derive_seed(seed, index); }

SampleRule sample_rule(const SamplingParams& params, uint64_t index, int64_t position) {
  return {.temperature = params.temperature,
          .top_k = std::max(params.top_k, 0),
          .top_p = params.top_p,
          .min_p = params.min_p,
          .seed = sample_seed(params.seed, index),
          .position = position};
}

}  // namespace invar
