#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace invar {
namespace {

TEST(Schedule, WarmsUpFromItsFirstStepAndHoldsThePeak) {
  const Schedule schedule{.decay = Decay::kConstant, .peak = 1e-3, .warmup_steps = 4};
  EXPECT_EQ(learning_rate(schedule, 0), 0.25e-3f);
  EXPECT_EQ(learning_rate(schedule, 1), 0.5e-3f);
  EXPECT_EQ(learning_rate(schedule, 3), 1e-3f);
  EXPECT_EQ(learning_rate(schedule, 4), 1e-3f);
  EXPECT_EQ(learning_rate(schedule, 1'000'000'000'000), 1e-3f);
}

TEST(Schedule, LinearAndCosineAreTheirFormulas) {
  for (const Decay decay : {Decay::kLinear, Decay::kCosine}) {
    const Schedule schedule{
        .decay = decay, .peak = 2e-5, .end = 1e-6, .warmup_steps = 10, .total_steps = 210};
    ASSERT_TRUE(check_schedule(schedule).ok());
    for (int64_t step = 10; step < 210; ++step) {
      const double p = static_cast<double>(step - 10) / 200.0;
      const double factor = decay == Decay::kLinear ? 1 - p : (1 + std::cos(std::numbers::pi * p)) / 2;
      EXPECT_NEAR(learning_rate(schedule, step), 1e-6 + 1.9e-5 * factor, 4e-12) << step;
      EXPECT_LE(learning_rate(schedule, step + 1), learning_rate(schedule, step));
    }
    EXPECT_EQ(learning_rate(schedule, 10), 2e-5f);
    EXPECT_EQ(learning_rate(schedule, 210), 1e-6f);
    EXPECT_EQ(learning_rate(schedule, 999), 1e-6f);
  }
}

TEST(Schedule, BitsAreFixed) {
  const Schedule schedule{
      .decay = Decay::kCosine, .peak = 3e-4, .end = 3e-5, .warmup_steps = 7, .total_steps = 100};
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t step = 0; step < 110; ++step)
    hash = (hash ^ __builtin_bit_cast(uint32_t, learning_rate(schedule, step))) * 0x100000001b3u;
  EXPECT_EQ(hash, 0x53257785fd48b7bcu);
}

TEST(Schedule, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(check_schedule({.peak = 0}).ok());
  EXPECT_FALSE(check_schedule({.peak = 1e-3, .end = 2e-3}).ok());
  EXPECT_FALSE(check_schedule({.warmup_steps = -1}).ok());
  EXPECT_EQ(check_schedule({.decay = Decay::kCosine, .warmup_steps = 9, .total_steps = 9}).message(),
            "steps of the schedule: expected more than the 9 of its warm-up, found 9");
  EXPECT_TRUE(check_schedule({.decay = Decay::kConstant, .warmup_steps = 9, .total_steps = 9}).ok());
  EXPECT_EQ(*parse_decay("cosine"), Decay::kCosine);
  EXPECT_FALSE(parse_decay("cosin").ok());
}

}  // namespace
}  // namespace invar
