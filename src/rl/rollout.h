// Rollouts: the samples of prompts, drawn by the engine, at once or a part in each step.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/interrupted.h"
#include "engine/engine.h"
#include "rl/prompt.h"
#include "rl/rewards/reward.h"
#include "text/chat_encoder.h"

namespace invar {

// What a step or an evaluation asks and tells while it goes on. All may be empty.
struct RlHooks {
  Interrupted interrupted;
  std::function<void(const std::string& what, double part)> progress;  // "rollout", 0.3
  std::function<double()> seconds;                                     // a clock, for wall times
};

// A sample of a prompt, drawn as far as its tokens say.
struct RlSample {
  int64_t prompt;  // ordinal of the prompt's draw in the run
  int64_t index;   // in its group
  uint64_t seed;
  std::vector<int32_t> tokens;  // the prompt, then the response
  int64_t prompt_tokens;
  std::vector<float> log_probs;                   // [response], the sampler's, each of the weights that drew it
  int64_t carried_tokens = 0;                     // first ones of the response, which earlier steps drew
  FinishReason finish = FinishReason::kAborted;   // kAborted: not at its end yet
  std::string text = {};                          // of the response; this and the next once it is at its end
  std::vector<int32_t> token_ends = {};           // [response], see sample_text.h
  std::string prompt_text = {};                   // as the model read it
  std::string label = {};                         // what was expected
  float reward = 0;
  float advantage = 0;  // of its first token
  bool kept = false;    // trained on

  bool done() const { return finish != FinishReason::kAborted; }
  std::span<const int32_t> response() const {
    return std::span(tokens).subspan(static_cast<std::size_t>(prompt_tokens));
  }
};

// The samples of one prompt.
struct RolloutGroup {
  int64_t ordinal;  // of the prompt's draw in the run
  int64_t step;     // that drew its first tokens
  uint64_t seed;    // of the request: sample i is drawn by derive_seed(seed, i)
  Prompt prompt;
  std::vector<RlSample> samples;  // by index
  bool scored = false;            // the rewards are there

  bool done() const;  // all samples
};

// A group of `samples` samples, nothing of which is drawn.
RolloutGroup empty_group(int64_t ordinal, int64_t step, uint64_t seed, Prompt prompt, EncodedPrompt encoded,
                         int64_t samples);

struct RolloutOptions {
  float temperature = 1;
  float top_p = 1;
  int32_t top_k = 0;
  int64_t max_tokens = 1;         // of a response
  std::vector<std::string> stop;  // strings
  bool ignore_eos = false;        // on to max_tokens
  int64_t token_budget = 0;       // of one call of draw(); 0: none
};

// Draws on where samples stopped, each to its end or, with a token budget, as far as it lasts: all samples that are not
// done draw a token each, again and again, until fewer tokens are left of the budget than such samples. How many tokens
// a sample gets is so a function of the samples' lengths alone, and no token's bits depend on where calls divide it:
// noise is by the sample's seed and the token's position.
//
// Returns the number of tokens drawn. Errors: those of the engine; "interrupted". Then the groups are undefined.
Result<int64_t> draw(Engine& engine, const Tokenizer& tokenizer, std::span<RolloutGroup> groups,
                     const RolloutOptions& options, const RlHooks& hooks, const char* what);

// Gives the groups, all samples of which are done, their rewards. Errors: those of the reward.
Status score(Reward& reward, std::span<RolloutGroup* const> groups, const Interrupted& interrupted);

}  // namespace invar
