// log_probs_backward: the gradient of logits, of a log-prob and an entropy in each row.
#pragma once

#include <cstdint>

#include "kernels/log_probs.h"
#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct LogProbsBackwardArgs {
  const float* logits;  // [rows, V], rows logits_stride apart; finite or -inf
  int64_t logits_stride;
  const float* temperature;  // [rows], > 0; or null for 1: z = logits / temperature
  const int32_t* tokens;     // [rows], each in [0, V)
  const RowLogSum* log_sum;  // [rows], as log_probs() gave them
  const float* d_log_prob;   // [rows], gradient of the token's log-prob
  const float* d_entropy;    // [rows], gradient of the row's entropy; or null for 0
  const float* entropy;      // [rows], as log_probs() gave it; needed with d_entropy
  bf16* d_logits;  // [rows, V], rows d_logits_stride apart; may be the memory of logits, row over row:
  int64_t d_logits_stride;  // then it is 2 logits_stride
  int64_t rows;
  int64_t vocab;  // V
};

// With l[v] = log p[v] = (z[v] - max) - log_sum, p[v] = exp(l[v]) and
// t[v] = d_log_prob + d_entropy (l[v] + entropy):
//   d_logits[r, v] = ([v = tokens[r]] d_log_prob - p[v] t[v]) / temperature
//
// Numerics  NUM-LSE-BWD: NUM-EXP, one fma for t, one product (an fma for the token), one division, NUM-BF16.
// Batch     A row depends on itself alone.
// Threads   Rows are divided between threads.
// Cost      Reads V fp32, writes V bf16 a row.
void log_probs_backward(Queue& queue, const LogProbsBackwardArgs& args);

}  // namespace invar
