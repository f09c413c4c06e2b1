// The likeliest tokens of a row, beside the one that was drawn.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/log_probs.h"

namespace invar {

struct TokenLogProb {
  int32_t token;
  float log_prob;
};

// The out.size() largest of a row by (logit, lower id first), likeliest first, with the log-prob that log_probs() gives
// each of them: (z - max) - log_sum, z = logit / temperature.
//
// logits: [V], out.size() <= V; sum: of log_probs() for this row and temperature. One pass with a heap of out.size().
void top_log_probs(std::span<const float> logits, float temperature, const RowLogSum& sum,
                   std::span<TokenLogProb> out);

}  // namespace invar
