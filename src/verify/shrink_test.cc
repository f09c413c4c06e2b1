#include "verify/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace invar {
namespace {

std::vector<Axis> axes_of_two_tiers() {
  return local_axes({.tiers = {1, 0}, .fast_tiers = 2, .threads = 2, .batch_max = 16, .quick = false});
}

// A run with a value other than the reference's on every axis.
Run everything_changed() {
  const std::vector<Axis> all = axes_of_two_tiers();
  Run run{.cases = {0, 1, 2, 3, 4, 5, 6}, .setting = reference_setting(all)};
  for (const Axis& axis : all) run.setting[axis.id] = axis.values.back();
  return run;
}

Smallest shrunk(const std::function<bool(const invar::Run&)>& fails, int64_t attempts_max = 200) {
  const std::vector<Axis> all = axes_of_two_tiers();
  const Attempt attempt = [&fails](const invar::Run& run) -> Result<std::string> {
    return std::string(fails(run) ? "differs" : "");
  };
  auto smallest = shrink(attempt, all, everything_changed(), attempts_max);
  EXPECT_TRUE(smallest.ok());
  return *smallest;
}

TEST(Shrink, LeavesTheOneAxisThatMattersAtItsFirstListedValueThatFails) {
  const Smallest smallest = shrunk([](const invar::Run& run) { return run.setting[kChunk] < 100; });
  EXPECT_EQ(smallest.axes, "chunk");
  EXPECT_EQ(smallest.run.setting[kChunk], 64);
  EXPECT_EQ(smallest.run.cases.size(), 1u);
  EXPECT_EQ(smallest.difference, "differs");
}

TEST(Shrink, NamesAxesThatFailOnlyTogether) {
  const Smallest smallest =
      shrunk([](const invar::Run& run) { return run.setting[kChunk] != 512 && run.setting[kBatch] > 2; });
  EXPECT_EQ(smallest.axes, "batch x chunk");
}

TEST(Shrink, KeepsTheRequestsThatMatterInTheirOrder) {
  const Smallest smallest = shrunk([](const invar::Run& run) {
    const auto has = [&run](int c) { return std::count(run.cases.begin(), run.cases.end(), c) > 0; };
    return run.setting[kBatch] > 1 && has(2) && has(5);
  });
  EXPECT_EQ(smallest.run.cases, (std::vector<int>{2, 5}));
  EXPECT_EQ(smallest.axes, "batch");
}

TEST(Shrink, WithoutAnAxisItIsNeighboursOrRepetition) {
  EXPECT_EQ(shrunk([](const invar::Run& run) { return run.cases.size() > 1; }).axes, "neighbours");
  EXPECT_EQ(shrunk([](const invar::Run&) { return true; }).axes, "repetition");
  EXPECT_EQ(shrunk([](const invar::Run&) { return false; }).axes, "repetition");
}

TEST(Shrink, StopsAfterItsAttempts) {
  const Smallest smallest = shrunk([](const invar::Run&) { return true; }, 3);
  EXPECT_EQ(smallest.attempts, 3);
}

TEST(Shrink, AnErrorOfTheWorldIsHandedOn) {
  const std::vector<Axis> all = axes_of_two_tiers();
  const Attempt attempt = [](const invar::Run&) -> Result<std::string> { return error("gone"); };
  const auto smallest = shrink(attempt, all, everything_changed(), 10);
  ASSERT_FALSE(smallest.ok());
  EXPECT_EQ(smallest.message(), "gone");
}

}  // namespace
}  // namespace invar
