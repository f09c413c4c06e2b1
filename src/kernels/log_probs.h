// log_probs: log-softmax of chosen tokens, from fp32 logits.
#pragma once

#include <cstdint>

#include "kernels/queue.h"

namespace invar {

// log sum_v exp(z[v]) of a row is max + log_sum.
struct RowLogSum {
  float max;      // of z
  float log_sum;  // NUM-LOG of the integer sum of exp(z - max)
};

struct LogProbsArgs {
  const float* logits;  // [rows, V], rows logits_stride apart; finite
  int64_t logits_stride;
  const float* temperature;  // [rows], > 0; or null for 1: z = logits / temperature
  const int32_t* tokens;     // [rows], the token whose log-prob is wanted; or null
  float* log_prob;           // [rows]; or null
  RowLogSum* log_sum;        // [rows]; or null
  float* entropy = nullptr;  // [rows]; or null
  int64_t rows;
  int64_t vocab;  // V
};

// z = logits / temperature; log_prob[r] = (z[tokens[r]] - max) - log_sum; entropy[r] = -sum_v p[v] log p[v]
//
// Numerics  NUM-LSE: exact max, then NUM-EXP of z - max on a grid of 2^-40, summed in uint64: any tiling of V.
//           NUM-ENTROPY: likewise, of exp(z - max) (max - z).
// Batch     A row depends on itself alone.
// Threads   Rows and pieces of V are divided between threads; maxima and integers are merged.
// Cost      Reads the logits twice.
void log_probs(Queue& queue, const LogProbsArgs& args);

}  // namespace invar
