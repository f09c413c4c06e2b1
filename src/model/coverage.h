// Coverage: what the invariance tests hold, and the refusal of everything else before the first step.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "nn/linear.h"  // Profile, Tier

namespace invar {

// tests/invariance/coverage_test.cc runs these against the reference tier, in every profile and every tier that the
// machine has: every head_dim, group size and page size; every architecture with every scaling of RoPE; and the largest
// of each of the other sizes. A bound is raised by raising it here and running that test.
inline constexpr int64_t kCoveredHeadDimStep = 16;  // head_dim is a multiple: NUM-H16's group of k
inline constexpr int64_t kCoveredHeadDimMax = 256;
inline constexpr int64_t kCoveredGroupMax = 16;  // query heads of a kv head
inline constexpr int64_t kCoveredPageSizes[] = {16, 32, 64, 128};
inline constexpr int kCoveredThreadsMax = 64;
inline constexpr int64_t kCoveredInputsMax = int64_t{1}
                                             << 17;  // terms of a sum: hidden_size, intermediate_size, H D
inline constexpr int64_t kCoveredVocabMax = int64_t{1} << 20;
inline constexpr int64_t kCoveredPositionsMax = int64_t{1} << 20;

// Ok, or the first reason why these settings are not covered, and what to do. The sizes of check_config (its bounds and
// divisors) are taken as checked.
Status check_coverage(const ModelConfig& config, Profile profile, Tier tier, int64_t page_size, int threads);

}  // namespace invar
