#include "rl/filter.h"

#include <algorithm>
#include <cmath>

namespace invar {
namespace {

Status check(const FilterOptions& options, std::span<const float> rewards) {
  if (options.group_size < 1 || options.groups_wanted < 1 || options.groups_a_round < 1 ||
      options.rounds_max < 1)
    return error(
        "rollout filter: expected sizes of at least 1, found group_size {}, groups_wanted {}, groups_a_round "
        "{}, "
        "rounds_max {}",
        options.group_size, options.groups_wanted, options.groups_a_round, options.rounds_max);
  if (options.groups_a_round > INT64_MAX / options.group_size / options.rounds_max)
    return error("rollout filter: {} rounds of {} groups of {} are too many samples", options.rounds_max,
                 options.groups_a_round, options.group_size);
  const int64_t round = options.group_size * options.groups_a_round;
  const auto samples = static_cast<int64_t>(rewards.size());
  if (samples % round != 0 || samples > round * options.rounds_max)
    return error("rollout filter: expected rewards of whole rounds of {}, at most {} of them, found {}",
                 round, options.rounds_max, samples);
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    const auto size = static_cast<std::size_t>(options.group_size);
    if (!std::isfinite(rewards[i]))
      return error("reward of sample {} of group {}: expected a finite number, found {}", i % size, i / size,
                   rewards[i]);
  }
  return Ok{};
}

bool all_equal(std::span<const float> rewards) {
  return std::all_of(rewards.begin(), rewards.end(), [&](float reward) { return reward == rewards[0]; });
}

}  // namespace

Result<FilterDecision> filter_groups(const FilterOptions& options, std::span<const float> rewards) {
  INVAR_RETURN_IF_ERROR(check(options, rewards));
  const auto size = static_cast<std::size_t>(options.group_size);
  const auto groups = static_cast<int64_t>(rewards.size() / size);
  FilterDecision decision;
  std::vector<int64_t> dropped;
  for (int64_t group = 0; group < groups; ++group) {
    const bool equal = all_equal(rewards.subspan(static_cast<std::size_t>(group) * size, size));
    if (options.drop_equal && equal) {
      dropped.push_back(group);
    } else if (static_cast<int64_t>(decision.kept.size()) < options.groups_wanted) {
      decision.kept.push_back(group);
    } else {
      ++decision.surplus;
      decision.surplus_groups.push_back(group);
    }
  }
  decision.dropped = static_cast<int64_t>(dropped.size());
  const int64_t missing = options.groups_wanted - static_cast<int64_t>(decision.kept.size());
  if (missing > 0 && groups < options.groups_a_round * options.rounds_max) {
    decision.groups_to_draw = options.groups_a_round;
  } else if (missing > 0 && options.shortage == Shortage::kFill) {
    const auto count = std::min<std::size_t>(static_cast<std::size_t>(missing), dropped.size());
    decision.kept.insert(decision.kept.end(), dropped.begin(), dropped.begin() + static_cast<int64_t>(count));
    std::sort(decision.kept.begin(), decision.kept.end());
  }
  return decision;
}

}  // namespace invar
