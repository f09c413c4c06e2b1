#include "rl/filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/seed_testing.h"
#include "base/split_mix.h"

namespace invar {
namespace {

using Groups = std::vector<int64_t>;

// Groups of two samples: 'e' equal rewards, 'd' different ones.
std::vector<float> rewards_of(std::string_view groups) {
  std::vector<float> rewards;
  for (char c : groups) rewards.insert(rewards.end(), {1.0f, c == 'e' ? 1.0f : 0.0f});
  return rewards;
}

FilterOptions small() {
  return {.group_size = 2, .groups_wanted = 3, .groups_a_round = 4, .rounds_max = 2, .drop_equal = true};
}

TEST(FilterGroups, BeforeTheFirstRoundOneIsDrawn) {
  const auto decision = filter_groups(small(), {});
  ASSERT_TRUE(decision.ok()) << decision.message();
  EXPECT_EQ(decision->groups_to_draw, 4);
}

TEST(FilterGroups, KeepsTheFirstGoodGroupsInOrder) {
  const auto decision = filter_groups(small(), rewards_of("dedd"));
  EXPECT_EQ(decision->kept, (Groups{0, 2, 3}));
  EXPECT_EQ(decision->dropped, 1);
  EXPECT_EQ(decision->groups_to_draw, 0);
  EXPECT_EQ(filter_groups(small(), rewards_of("dddd"))->surplus, 1);
}

TEST(FilterGroups, TooFewGoodOnesAskForAnotherRoundAndTheLastIsFilledInOrder) {
  EXPECT_EQ(filter_groups(small(), rewards_of("eede"))->groups_to_draw, 4);
  FilterOptions options = small();
  const std::vector<float> rewards = rewards_of("eedeeeed");
  EXPECT_EQ(filter_groups(options, rewards)->kept, (Groups{0, 2, 7}));
  options.shortage = Shortage::kFewer;
  EXPECT_EQ(filter_groups(options, rewards)->kept, (Groups{2, 7}));
  EXPECT_EQ(filter_groups(options, rewards)->groups_to_draw, 0);
  EXPECT_TRUE(filter_groups(options, rewards_of("eeeeeeee"))->kept.empty());
}

TEST(FilterGroups, WithoutDynamicSamplingEveryGroupIsGood) {
  FilterOptions options = small();
  options.drop_equal = false;
  EXPECT_EQ(filter_groups(options, rewards_of("eeee"))->kept, (Groups{0, 1, 2}));
}

TEST(FilterGroups, LaterRoundsNeverChangeWhatEarlierOnesKept) {
  SplitMix64 random(run_seed());
  for (int trial = 0; trial < 200; ++trial) {
    FilterOptions options = small();
    options.rounds_max = 5;
    options.groups_wanted = 9;
    std::string groups;
    Groups before;
    for (int round = 0; round < 5; ++round) {
      for (int i = 0; i < 4; ++i) groups += random.next() % 3 == 0 ? 'd' : 'e';
      options.shortage = Shortage::kFewer;
      const Groups kept = filter_groups(options, rewards_of(groups))->kept;
      ASSERT_TRUE(std::equal(before.begin(), before.end(), kept.begin())) << groups;
      before = kept;
    }
  }
}

TEST(FilterGroups, RefusesPartsOfRoundsAndNamesANan) {
  EXPECT_FALSE(filter_groups(small(), rewards_of("ded")).ok());
  EXPECT_FALSE(filter_groups(small(), rewards_of("dddddddddddd")).ok());
  std::vector<float> rewards = rewards_of("dddd");
  rewards[5] = std::nanf("");
  EXPECT_EQ(filter_groups(small(), rewards).message(),
            "reward of sample 1 of group 2: expected a finite number, found nan");
  FilterOptions options = small();
  options.groups_wanted = 0;
  EXPECT_FALSE(filter_groups(options, {}).ok());
  options = small();
  options.groups_a_round = options.rounds_max = INT64_MAX / 2;
  EXPECT_FALSE(filter_groups(options, {}).ok());
}

}  // namespace
}  // namespace invar
