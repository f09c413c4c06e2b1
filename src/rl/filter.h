// Which groups of rollouts a step trains on: dynamic sampling and over-sampling, decided by (index, rewards) alone.
//
// A step draws groups in rounds. After each round this says which are kept and whether to draw again; groups are
// numbered in the order of their prompts' draws, and who finished first has no part in it.
// Source: Yu et al. 2025, "DAPO", arXiv 2503.14476, section 3.2 (dynamic sampling).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace invar {

enum class Shortage {
  kFewer,  // train on what there is, possibly nothing
  kFill,   // add dropped groups, in order: their advantages are zero, the batch keeps its size
};

struct FilterOptions {
  int64_t group_size = 8;       // samples a prompt, >= 1
  int64_t groups_wanted = 32;   // of a step, >= 1
  int64_t groups_a_round = 32;  // drawn at once; more than wanted is over-sampling. >= 1
  int64_t rounds_max = 1;       // >= 1
  bool drop_equal = false;      // dynamic sampling: a group whose rewards are all equal teaches nothing
  Shortage shortage = Shortage::kFill;
};

struct FilterDecision {
  std::vector<int64_t>
      kept;             // groups, ascending; final once groups_to_draw is 0, and then at most groups_wanted
  int64_t dropped = 0;  // groups with equal rewards among all drawn
  int64_t surplus = 0;  // good groups beyond groups_wanted
  std::vector<int64_t> surplus_groups;  // those, ascending
  int64_t groups_to_draw = 0;
};

// rewards: [groups drawn so far in this step, group_size]; empty before the first round.
// Errors: options out of range, a part of a group or of a round, a reward that is not finite, with its group and
// sample.
Result<FilterDecision> filter_groups(const FilterOptions& options, std::span<const float> rewards);

}  // namespace invar
