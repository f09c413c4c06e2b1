// A few steps of reinforcement learning of a tiny model, rollouts by the engine included, under one setting of
// everything that may not change a bit.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "kernels/queue.h"
#include "train/policy_trainer.h"

namespace invar {

struct RlSetting {
  int64_t micro_batch = 1;  // samples that its rows hold
  bool pack = true;         // off: one sequence in a forward, whatever the rows hold
  int threads = 1;
  Tier tier = Tier::kAvx2;
  int ranks = 1;               // of data parallelism
  int64_t rollout_rows = 256;  // of a prefill chunk
  int64_t rollout_batch = 64;  // samples that run together
};

// What must be equal: digests of the gradient sums and the loss's bits of every update, weights and optimizer after
// every step. One line each, with its name in front, in the order of computation.
using RlOutcome = std::vector<std::string>;

// model: a folder below tests/goldens/models. Aborts when a step fails.
RlOutcome run_rl(const std::string& model, Profile profile, int64_t steps, const RlSetting& setting);

}  // namespace invar
