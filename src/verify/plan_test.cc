#include "verify/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace invar {
namespace {

Plan plan(uint64_t seed, const std::vector<Axis>& axes) {
  return make_plan(
      {.size = plan_size(false, Pace::kFast), .seed = seed, .context = 2048, .encode = encode_by_word(199)},
      axes);
}

std::vector<Axis> axes() {
  return local_axes({.tiers = {1, 0}, .fast_tiers = 1, .threads = 2, .batch_max = 16, .quick = false});
}

const PlanRow& row_of(const Plan& plan, const std::string& name) {
  return *std::find_if(plan.rows.begin(), plan.rows.end(),
                       [&](const PlanRow& row) { return row.name == name; });
}

TEST(Plan, IsAFunctionOfItsSeed) {
  const auto runs = [](const Plan& p) {
    std::vector<std::pair<std::vector<int>, Setting>> all;
    for (const PlanRow& row : p.rows)
      for (const invar::Run& run : row.runs) all.emplace_back(run.cases, run.setting);
    return all;
  };
  EXPECT_EQ(runs(plan(3, axes())), runs(plan(3, axes())));
  EXPECT_NE(runs(plan(3, axes())), runs(plan(4, axes())));
}

TEST(Plan, HasARowForEveryNameAndFiftyTrialsOfTheAnnouncementsTests) {
  const Plan p = plan(1, axes());
  std::vector<std::string> names;
  for (const PlanRow& row : p.rows) {
    names.push_back(row.name);
    EXPECT_FALSE(row.runs.empty()) << row.name;
  }
  EXPECT_EQ(names, row_names(axes(), false));
  for (const char* name : {"single", "mixed", "prefix"}) EXPECT_EQ(row_of(p, name).runs.size(), 50u);
  EXPECT_EQ(row_of(p, "single").runs.front().cases.size(), 1u);
  EXPECT_EQ(row_of(p, "single").runs.back().cases.size(), 50u);
}

TEST(Plan, AFullProofHasFiftyTrialsAtEveryPace) {
  for (Pace pace : {Pace::kFast, Pace::kMedium, Pace::kSlow}) EXPECT_EQ(plan_size(false, pace).trials, 50);
}

TEST(Plan, PrefixesHaveVeryDifferentLengthsUnderALimitToo) {
  for (Pace pace : {Pace::kFast, Pace::kMedium, Pace::kSlow}) {
    const Plan p = make_plan({.size = plan_size(false, pace), .context = 2048, .encode = encode_by_word(199)}, axes());
    std::set<std::size_t> lengths;
    for (const invar::Run& run : row_of(p, "prefix").runs)
      for (int c : run.cases) lengths.insert(p.cases[static_cast<std::size_t>(c)].prompt.size());
    EXPECT_EQ(lengths.size(), 4u);
  }
}

TEST(Plan, ProductsDrawNoSlowTier) {
  const Plan p = plan(1, axes());
  for (const invar::Run& run : row_of(p, "product").runs) EXPECT_EQ(run.setting[kIsa], 1);
}

TEST(Plan, EveryWayToSampleIsInTheFirstRow) {
  const Plan p = plan(1, axes());
  std::vector<bool> greedy;
  for (int c : row_of(p, "single").runs.back().cases)
    greedy.push_back(p.cases[static_cast<std::size_t>(c)].sampling.temperature == 0);
  EXPECT_GT(std::count(greedy.begin(), greedy.end(), true), 0);
  EXPECT_GT(std::count(greedy.begin(), greedy.end(), false), 0);
}

TEST(Plan, PromptsLeaveRoomInASmallContext) {
  const Plan p = make_plan(
      {.size = plan_size(false, Pace::kFast), .context = 64, .encode = encode_by_word(199)}, axes());
  for (const Case& c : p.cases) EXPECT_LE(static_cast<int64_t>(c.prompt.size()) + c.sampling.max_tokens, 64);
}

TEST(LongText, IsAsLongAsAskedAndAPrefixOfTheLongerOne) {
  EXPECT_EQ(long_text(5, 100), long_text(5, 4097).substr(0, 100));
  EXPECT_NE(long_text(5, 100), long_text(6, 100));
}

}  // namespace
}  // namespace invar
