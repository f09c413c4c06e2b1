#include "train/advantage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/seed_testing.h"
#include "base/split_mix.h"

namespace invar {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_rewards(SplitMix64& random, int64_t count) {
  std::vector<float> rewards;
  for (int64_t i = 0; i < count; ++i)
    rewards.push_back(static_cast<float>(static_cast<double>(random.next() >> 40) * 0x1p-22 - 2.0));
  return rewards;
}

TEST(GrpoAdvantages, AreTheTextbookFormulaForEachGroup) {
  const std::vector<float> rewards = {1, 0, 0, 1, 5, 1, 1, 1};
  const auto out = grpo_advantages({.rewards = rewards, .group_size = 4});
  ASSERT_TRUE(out.ok()) << out.message();
  // Group 0: mean 1/2, variance (4 * 1/4) / 3. Group 1: mean 2, variance (9 + 3) / 3.
  const double first = 0.5 / (std::sqrt(1.0 / 3.0) + 1e-6), second = 2.0 + 1e-6;
  const std::vector<double> expected = {first,        -first,        -first,        first,
                                        3.0 / second, -1.0 / second, -1.0 / second, -1.0 / second};
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(out->at(i), expected[i], 2e-7 * std::abs(expected[i]));
}

TEST(GroupAdvantages, AreTheirFormulasOnRandomRewards) {
  SplitMix64 random(run_seed());
  for (int64_t size : {2, 3, 7, 16}) {
    const std::vector<float> rewards = random_rewards(random, size);
    const GroupRewards group{.rewards = rewards, .group_size = size};
    const auto grpo = grpo_advantages(group, 1e-4f), dr = dr_grpo_advantages(group),
               rloo = rloo_advantages(group);
    const double sum = std::accumulate(rewards.begin(), rewards.end(), 0.0);
    const double mean = sum / static_cast<double>(size);
    double squares = 0;
    for (float r : rewards) squares += (r - mean) * (r - mean);
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      const double deviation = std::sqrt(squares / static_cast<double>(size - 1));
      EXPECT_NEAR(grpo->at(i), (rewards[i] - mean) / (deviation + 1e-4), 1e-6);
      EXPECT_NEAR(dr->at(i), rewards[i] - mean, 1e-6);
      EXPECT_NEAR(rloo->at(i), rewards[i] - (sum - rewards[i]) / static_cast<double>(size - 1), 1e-6);
    }
  }
}

TEST(GroupAdvantages, AGroupOfEqualRewardsGetsExactZeros) {
  for (float value : {0.0f, 1.0f, 0.1f, -3.3e37f, 1e-40f}) {
    const std::vector<float> rewards(7, value);
    const GroupRewards group{.rewards = rewards, .group_size = 7};
    const std::vector<int64_t> tokens = {3, 1, 0, 5, 2, 9, 4};
    for (const auto& out :
         {grpo_advantages(group), dr_grpo_advantages(group), rloo_advantages(group),
          reinforce_plus_plus_advantages({.rewards = rewards, .tokens = tokens}),
          reinforce_plus_plus_baseline_advantages({.rewards = rewards, .tokens = tokens}, 7)}) {
      ASSERT_TRUE(out.ok()) << out.message();
      for (float a : *out) EXPECT_EQ(a, 0.0f);
    }
  }
}

TEST(GroupAdvantages, AGroupKnowsNothingOfItsNeighbours) {
  SplitMix64 random(run_seed());
  const std::vector<float> rewards = random_rewards(random, 40);
  for (const auto& method : {+[](const GroupRewards& g) { return grpo_advantages(g); },
                             +[](const GroupRewards& g) { return dr_grpo_advantages(g); },
                             +[](const GroupRewards& g) { return rloo_advantages(g); }}) {
    const auto together = method({.rewards = rewards, .group_size = 8});
    for (std::size_t begin = 0; begin < 40; begin += 8) {
      const auto alone = method({.rewards = std::span(rewards).subspan(begin, 8), .group_size = 8});
      for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(alone->at(i), together->at(begin + i));
    }
  }
}

TEST(GroupAdvantages, RefuseWhatHasNoMeaningAndNameTheSample) {
  const std::vector<float> bad = {1, 0, kNan, 1};
  for (const auto& out :
       {grpo_advantages({.rewards = bad, .group_size = 2}),
        dr_grpo_advantages({.rewards = bad, .group_size = 2}),
        rloo_advantages({.rewards = bad, .group_size = 2}),
        reinforce_plus_plus_advantages({.rewards = bad, .tokens = std::vector<int64_t>{1, 1, 1, 1}})}) {
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.message(),
              "reward of sample 2: expected a finite number, found nan; no step is made from such a batch");
  }
  const std::vector<float> infinite = {std::numeric_limits<float>::infinity(), 0};
  EXPECT_NE(grpo_advantages({.rewards = infinite, .group_size = 2}).message().find("sample 0"),
            std::string::npos);
  const std::vector<float> three = {1, 2, 3};
  EXPECT_FALSE(grpo_advantages({.rewards = three, .group_size = 2}).ok());
  EXPECT_FALSE(grpo_advantages({.rewards = three, .group_size = 1}).ok());
  EXPECT_FALSE(grpo_advantages({.rewards = three, .group_size = 3}, 0.0f).ok());
  const std::vector<float> huge = {3e38f, -3e38f};
  EXPECT_NE(rloo_advantages({.rewards = huge, .group_size = 2}).message().find("does not fit"),
            std::string::npos);
}

// sum_{k >= t} gamma^(k - t) (-beta kl[k] + [k is last] r), normalised: straight from the definition.
std::vector<double> reinforce_plus_plus_by_definition(const TokenRewards& batch) {
  std::vector<double> returns;
  std::size_t begin = 0;
  for (std::size_t s = 0; s < batch.rewards.size(); ++s) {
    const auto tokens = static_cast<std::size_t>(batch.tokens[s]);
    for (std::size_t t = 0; t < tokens; ++t) {
      double value = 0;
      for (std::size_t k = t; k < tokens; ++k) {
        double reward = batch.kl.empty() ? 0.0 : -double{batch.kl_coefficient} * batch.kl[begin + k];
        if (k + 1 == tokens) reward += batch.rewards[s];
        value += std::pow(double{batch.discount}, static_cast<double>(k - t)) * reward;
      }
      returns.push_back(value);
    }
    begin += tokens;
  }
  double mean = 0, variance = 0;
  for (double value : returns) mean += value / static_cast<double>(returns.size());
  for (double value : returns)
    variance += (value - mean) * (value - mean) / static_cast<double>(returns.size());
  for (double& value : returns) value = (value - mean) / std::sqrt(std::max(variance, 1e-8));
  return returns;
}

TEST(ReinforcePlusPlus, IsTheNormalisedDiscountedReturn) {
  SplitMix64 random(run_seed());
  const std::vector<int64_t> tokens = {4, 1, 0, 7};
  const std::vector<float> rewards = random_rewards(random, 4), kl = random_rewards(random, 12);
  for (float discount : {1.0f, 0.9f, 0.0f}) {
    const TokenRewards batch{
        .rewards = rewards, .tokens = tokens, .kl = kl, .kl_coefficient = 0.05f, .discount = discount};
    const auto out = reinforce_plus_plus_advantages(batch);
    ASSERT_TRUE(out.ok()) << out.message();
    const std::vector<double> expected = reinforce_plus_plus_by_definition(batch);
    ASSERT_EQ(out->size(), expected.size());
    for (std::size_t t = 0; t < expected.size(); ++t) EXPECT_NEAR(out->at(t), expected[t], 1e-6) << t;
  }
}

TEST(ReinforcePlusPlusBaseline, SubtractsTheGroupAndNormalisesTheBatch) {
  const std::vector<float> rewards = {1, 0, 1, 1};
  const std::vector<int64_t> tokens = {1, 3, 2, 2};
  const auto out = reinforce_plus_plus_baseline_advantages({.rewards = rewards, .tokens = tokens}, 2);
  ASSERT_TRUE(out.ok()) << out.message();
  // Tokens hold 1/2, -1/2 (3 times), 0 (4 times): mean -1/8, mean of squares 1/8.
  const double deviation = std::sqrt(1.0 / 8 - 1.0 / 64);
  const std::vector<double> raw = {0.5, -0.5, -0.5, -0.5, 0, 0, 0, 0};
  for (std::size_t t = 0; t < raw.size(); ++t) EXPECT_NEAR(out->at(t), (raw[t] + 0.125) / deviation, 1e-6);
}

TEST(TokenAdvantages, RepeatASamplesAdvantageAndTakeTheKlFromItsReward) {
  const std::vector<float> rewards = {1, 0}, kl = {0.5f, 0.25f, 1.0f};
  const std::vector<int64_t> tokens = {2, 1};
  AdvantageArgs args{.kind = AdvantageKind::kDrGrpo,
                     .batch = {.rewards = rewards, .tokens = tokens, .kl = kl, .kl_coefficient = 1},
                     .group_size = 2};
  const auto out = token_advantages(args);
  ASSERT_TRUE(out.ok()) << out.message();
  EXPECT_EQ(*out, (std::vector<float>{0.625f, 0.625f, -0.625f}));  // rewards 1/4 and -1
  args.kind = AdvantageKind::kReinforce;
  EXPECT_EQ(*token_advantages(args), (std::vector<float>{0.25f, 0.25f, -1.0f}));
  args.batch.kl = {};
  args.kind = AdvantageKind::kRloo;
  EXPECT_EQ(*token_advantages(args), (std::vector<float>{1, 1, -1}));
  args.batch.tokens = {};
  EXPECT_FALSE(token_advantages(args).ok());
}

TEST(TokenAdvantages, BitsAreFixed) {
  SplitMix64 random(1);
  const std::vector<int64_t> tokens = {4, 1, 0, 7, 3, 3};
  const std::vector<float> rewards = random_rewards(random, 6), kl = random_rewards(random, 18);
  uint64_t hash = 0xcbf29ce484222325u;
  for (const AdvantageKind kind :
       {AdvantageKind::kReinforce, AdvantageKind::kGrpo, AdvantageKind::kDrGrpo, AdvantageKind::kRloo,
        AdvantageKind::kReinforcePlusPlus, AdvantageKind::kReinforcePlusPlusBaseline}) {
    const auto out = token_advantages(
        {.kind = kind,
         .batch = {.rewards = rewards, .tokens = tokens, .kl = kl, .kl_coefficient = 0.1f, .discount = 0.9f},
         .group_size = 3});
    ASSERT_TRUE(out.ok()) << out.message();
    for (float value : *out) hash = (hash ^ __builtin_bit_cast(uint32_t, value)) * 0x100000001b3u;
  }
  EXPECT_EQ(hash, 588771357575962238u);
}

TEST(TokenAdvantages, EveryNameOfAnEstimatorIsKnown) {
  EXPECT_EQ(*parse_advantage_kind("gspo"), AdvantageKind::kGrpo);
  EXPECT_EQ(*parse_advantage_kind("reinforce_plus_plus_baseline"), AdvantageKind::kReinforcePlusPlusBaseline);
  EXPECT_EQ(parse_advantage_kind("ppo").message(),
            "advantage estimator: expected one of reinforce, grpo, gspo, cispo, dr_grpo, rloo, "
            "reinforce_plus_plus, "
            "reinforce_plus_plus_baseline; found \"ppo\"");
}

}  // namespace
}  // namespace invar
