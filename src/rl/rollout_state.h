// Groups that a step carries over, as JSON: a checkpoint in the middle of them goes on to the same bits.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "io/json.h"
#include "rl/rollout.h"

namespace invar {

// What cannot be computed again: ordinals, steps, tokens, the bits of log-probs and rewards, how samples ended.
Json rollout_state(std::span<const RolloutGroup> groups);

// The group of a draw with nothing drawn: prompt, tokens of the prompt, seed, samples.
using MakeGroup = std::function<Result<RolloutGroup>(int64_t ordinal, int64_t step)>;
struct RolloutStateOptions {
  int64_t max_tokens;  // of a response
  std::vector<std::string> stop;
};
// Errors: what rollout_state() cannot have given, with the group's place; those of `make`.
Result<std::vector<RolloutGroup>> read_rollout_state(const Json& state, const Tokenizer& tokenizer,
                                                     const RolloutStateOptions& options, const MakeGroup& make);

}  // namespace invar
