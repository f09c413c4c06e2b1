// Logits processors: what a request changes in a row of logits before log-probs and the draw. Pure
// functions.
#pragma once

#include <cstdint>
#include <span>

namespace invar {

// How often a token has been seen in one sequence. Each token is listed once, in any order.
struct TokenCount {
  int32_t token;
  int32_t prompt;  // times in the prompt, >= 0
  int32_t output;  // times in what was generated, >= 0
};

struct Penalties {
  float repetition = 1.0f;  // > 0; 1: none
  float presence = 0.0f;
  float frequency = 0.0f;

  bool none() const { return repetition == 1.0f && presence == 0.0f && frequency == 0.0f; }
};

// In place, for each counted token, in this order, each operation one fp32 rounding:
//   repetition  seen in prompt or output: logit > 0 ? logit / repetition : logit * repetition
//   frequency   logit - frequency * output
//   presence    generated at least once: logit - presence
//
// logits: [V]. Tokens outside [0, V) are a bug of the caller.
// Source: Keskar et al. 2019, arXiv:1909.05858, as in transformers'
// RepetitionPenaltyLogitsProcessor; OpenAI's API reference for frequency_penalty and
// presence_penalty; the order is vLLM's.
void apply_penalties(std::span<float> logits, std::span<const TokenCount> counts, Penalties penalties);

struct TokenBias {
  int32_t token;
  float bias;  // added to the logit, in fp32
};

// logits: [V], in place. Source: OpenAI's API reference, logit_bias.
void apply_logit_bias(std::span<float> logits, std::span<const TokenBias> biases);

// Sets the logits of `tokens` to -inf: they cannot be drawn, and take no part in log-sum-exp.
// logits: [V], in place.
void ban_tokens(std::span<float> logits, std::span<const int32_t> tokens);

}  // namespace invar
