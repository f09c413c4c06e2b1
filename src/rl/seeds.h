// The seeds of a run: one for every prompt, step and sample, all from the run's seed by NUM-PHILOX's derive_seed.
//
// Seeds that repeat between steps or prompts give equal noise to different samples: exploration that is correlated
// without anyone asking for it. Here each (use, step, prompt, sample) has its own path down a tree of derived seeds.
#pragma once

#include <cstdint>

#include "numerics/philox.h"

namespace invar {

// First level, so that a sample's noise and, say, a shuffle never share a seed.
enum class SeedUse : uint64_t { kRollout = 1, kEval = 2, kShuffle = 3, kTask = 4 };

inline uint64_t seed_of_use(uint64_t run_seed, SeedUse use) {
  return derive_seed(run_seed, static_cast<uint64_t>(use));
}

// `prompt` is the ordinal of the draw from the data (DataCursor::Pick::ordinal), not the row: a row that comes twice
// in a step is sampled anew each time.
struct PromptKey {
  uint64_t run_seed;
  uint64_t step;
  uint64_t prompt;
};

// The sampling seed of the request for this prompt: derive_seed(derive_seed(use seed, step), prompt). The engine
// draws sample i of a request by derive_seed(this, i), which is sample_seed_of() below.
inline uint64_t request_seed(const PromptKey& key, SeedUse use = SeedUse::kRollout) {
  return derive_seed(derive_seed(seed_of_use(key.run_seed, use), key.step), key.prompt);
}

inline uint64_t sample_seed_of(const PromptKey& key, uint64_t sample, SeedUse use = SeedUse::kRollout) {
  return derive_seed(request_seed(key, use), sample);
}

}  // namespace invar
