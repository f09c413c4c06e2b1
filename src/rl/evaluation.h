// Evaluation: how a model does on held-out prompts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rl/prompt_source.h"
#include "rl/rollout.h"

namespace invar {

struct EvaluationOptions {
  RolloutOptions rollout;  // temperature 0: greedy
  int64_t samples = 1;     // of each prompt
  uint64_t run_seed = 0;
};

// Means are over prompts of each prompt's mean over its samples; errors are standard errors of these means: the
// standard deviation (n - 1) of the prompts' values by the root of their number, 0 for one prompt.
struct Estimate {
  double mean = 0;
  double error = 0;
};

// The probability that one of k samples of a prompt has a reward of at least 1.
struct PassAt {
  int64_t k;
  Estimate estimate;
};

struct Evaluation {
  std::vector<RolloutGroup> groups;  // with rewards
  Estimate reward;
  std::vector<PassAt> pass_at;  // k = 1, 2, 4, ... and the number of samples
  double length_mean = 0;  // response tokens
  double cut_off = 0;      // part of the samples that reached max_tokens
  std::string digest;      // SHA-256 of prompts, tokens, log-prob bits and reward bits, 64 hex digits
};

// Of all held-out prompts of the source. Without any, an Evaluation of no groups. Errors: of the prompts, the engine,
// the reward; "interrupted".
Result<Evaluation> evaluate(Engine& engine, const Tokenizer& tokenizer, const PromptSource& prompts, Reward& reward,
                            const EvaluationOptions& options, const RlHooks& hooks);

// The probability that k of n samples, c of which pass, hold one that passes: 1 - C(n - c, k) / C(n, k).
// Source: Chen et al. 2021, "Evaluating large language models trained on code", arXiv 2107.03374.
double pass_at_k(int64_t n, int64_t c, int64_t k);

}  // namespace invar
