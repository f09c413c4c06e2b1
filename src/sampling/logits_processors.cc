#include "sampling/logits_processors.h"

#include <limits>

#include "base/check.h"

namespace invar {
namespace {

float& logit_of(std::span<float> logits, int32_t token) {
  INVAR_CHECK(token >= 0 && static_cast<std::size_t>(token) < logits.size(), "token = {}, vocab = {}", token,
              logits.size());
  return logits[static_cast<std::size_t>(token)];
}

}  // namespace

void apply_penalties(std::span<float> logits, std::span<const TokenCount> counts, Penalties penalties) {
  if (penalties.none()) return;
  for (const TokenCount& seen : counts) {
    float& logit = logit_of(logits, seen.token);
    if (seen.prompt > 0 || seen.output > 0)
      logit = logit > 0 ? logit / penalties.repetition : logit * penalties.repetition;
    logit = logit - penalties.frequency * static_cast<float>(seen.output);
    if (seen.output > 0) logit = logit - penalties.presence;
  }
}

void apply_logit_bias(std::span<float> logits, std::span<const TokenBias> biases) {
  for (const TokenBias& b : biases) {
    float& logit = logit_of(logits, b.token);
    logit = logit + b.bias;
  }
}

void ban_tokens(std::span<float> logits, std::span<const int32_t> tokens) {
  for (int32_t token : tokens) logit_of(logits, token) = -std::numeric_limits<float>::infinity();
}

}  // namespace invar
