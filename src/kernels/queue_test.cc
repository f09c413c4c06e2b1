#include "kernels/queue.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

TEST(Queue, NamesOfProfilesAndTiersParseBack) {
  for (Profile profile : kAllProfiles)
    EXPECT_EQ(parse_profile(profile_name(profile)), profile);
  for (Tier tier : kAllTiers)
    EXPECT_EQ(parse_tier(tier_name(tier)), tier);
  EXPECT_EQ(parse_profile("fp64"), std::nullopt);
  EXPECT_EQ(parse_tier(""), std::nullopt);
}

TEST(Queue, TheBestTierIsSupportedAndSoIsEveryTierBelowIt) {
  for (int tier = 0; tier <= static_cast<int>(best_tier()); ++tier)
    EXPECT_TRUE(tier_supported(static_cast<Tier>(tier))) << tier_name(static_cast<Tier>(tier));
}

// A CPU that has the instruction and fails the check falls back, which is right, but we want to hear of it.
TEST(Queue, VdpBf16EqualsP2WhereTheCpuHasIt) {
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "no vdpbf16ps on this CPU";
  EXPECT_TRUE(tier_supported(Tier::kAvx512Bf16));
}

// Likewise: its kernels would use FMAs.
TEST(Queue, TdpBf16EqualsA32WhereTheCpuHasIt) {
  if (!tier_supported(Tier::kAmx)) GTEST_SKIP() << "no tdpbf16ps on this CPU, or none for this process";
  EXPECT_TRUE(amx_is_a32());
}

TEST(Queue, ScratchGrowsAndIsAligned) {
  ThreadPool pool(1);
  Queue queue(pool, Profile::kFma32, Tier::kRef);
  for (size_t bytes : {size_t{1}, size_t{1000}, size_t{100}})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(queue.scratch(bytes)) % 64, 0u) << bytes;
}

}  // namespace
}  // namespace invar
