// sample: one token a row, by arg max or by a seeded Gumbel draw.
#pragma once

#include <cstdint>

#include "kernels/queue.h"

namespace invar {

// One row's rule. The draw is a function of (seed, position, token id), the row's logits and this rule.
struct SampleRule {
  float temperature = 1.0f;  // 0: arg max, ties to the lower id
  int32_t top_k = 0;         // keep the k largest by (value, lower id first); 0: all
  float top_p = 1.0f;        // keep the smallest set of largest tokens with mass >= top_p; 1: all
  float min_p = 0.0f;        // drop tokens with probability < min_p * the largest; 0: none
  uint64_t seed = 0;
  int64_t position = 0;  // absolute position of the token being drawn
};

struct SampleArgs {
  const float* logits;  // [rows, V], rows logits_stride apart; finite or -inf, at least one finite
  int64_t logits_stride;
  const SampleRule* rules;  // [rows]
  int32_t* tokens;          // [rows], out
  int64_t rows;
  int64_t vocab;
};

// tokens[r] = argmax_v (logits[v] / temperature + gumbel(seed, position, v)) over the kept tokens,
// ties to the lower id.
// Filters apply in the order top_k, top_p, min_p, each to what the one before left.
//
// Numerics  NUM-SAMPLE: NUM-PHILOX noise keyed by vocabulary id; top-p over NUM-LSE's integer masses.
// Batch     A row depends on itself and its rule alone.
// Threads   Rows are divided between threads.
// Cost      Reads the logits a few times; noise for each kept token.
// Source    Maddison et al. 2014, arXiv:1411.0030 (Gumbel-max); Salmon et al. 2011 (Philox).
void sample(Queue& queue, const SampleArgs& args);

}  // namespace invar
