// The product: a training run, rollouts included, has one weight hash whatever surrounds it. Micro-batch x packing x
// threads x instruction set x ranks x rollout: every value, every pair of values and random combinations, from a
// printed seed (INVAR_SEED); all combinations with INVAR_SLOW_TESTS=1.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>

#include "base/seed_testing.h"
#include "base/split_mix.h"
#include "rl_run.h"

namespace invar {
namespace {

constexpr int64_t kSteps = 3;

// An axis of the product: a value by its index; index 0 is where every other setting is compared with.
struct Axis {
  const char* name;
  std::vector<std::string> values;
  std::function<void(RlSetting&, std::size_t)> set;
};

template <class T>
Axis axis(const char* name, T RlSetting::*field, std::vector<T> values) {
  Axis made{.name = name, .values = {}, .set = [=](RlSetting& s, std::size_t i) { s.*field = values[i]; }};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<T, Tier>) {
      made.values.emplace_back(tier_name(values[i]));
    } else {
      made.values.push_back(fmt::format("{}", values[i]));
    }
  }
  return made;
}

std::vector<Axis> axes() {
  return {axis<int64_t>("micro-batch", &RlSetting::micro_batch, {1, 2, 8}),
          axis<bool>("packing", &RlSetting::pack, {true, false}),
          axis<int>("threads", &RlSetting::threads, {1, 2, 3}),
          axis<Tier>("tier", &RlSetting::tier, fast_tiers()),
          axis<int>("ranks", &RlSetting::ranks, {1, 2, 4}),
          axis<int64_t>("rollout chunk", &RlSetting::rollout_rows, {256, 7}),
          axis<int64_t>("rollout batch", &RlSetting::rollout_batch, {64, 3})};
}

using Combination = std::vector<std::size_t>;  // [axes]: indices of values

// Every combination, the first one that of all zeros.
std::vector<Combination> full_product(const std::vector<Axis>& axes) {
  std::vector<Combination> all = {Combination(axes.size())};
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const std::size_t before = all.size();
    for (std::size_t v = 1; v < axes[a].values.size(); ++v) {
      for (std::size_t i = 0; i < before; ++i) {
        all.push_back(all[i]);
        all.back()[a] = v;
      }
    }
  }
  return all;
}

struct Pair {
  std::size_t axis, value, other_axis, other_value;
  auto operator<=>(const Pair&) const = default;
};

void erase_pairs(const Combination& c, std::set<Pair>& pairs) {
  for (std::size_t a = 0; a < c.size(); ++a)
    for (std::size_t b = a + 1; b < c.size(); ++b) pairs.erase({a, c[a], b, c[b]});
}

// Combinations of the product in which every pair of values stands, greedily chosen, then random ones up to `count`.
std::vector<Combination> covering(const std::vector<Axis>& axes, std::size_t count, SplitMix64& random) {
  const std::vector<Combination> product = full_product(axes);
  std::set<Pair> missing;
  for (const Combination& c : product)
    for (std::size_t a = 0; a < c.size(); ++a)
      for (std::size_t b = a + 1; b < c.size(); ++b) missing.insert({a, c[a], b, c[b]});
  std::vector<Combination> chosen;
  while (!missing.empty() || chosen.size() < count) {
    Combination best;
    std::size_t best_left = SIZE_MAX;
    for (int tries = 0; tries < 30; ++tries) {
      const Combination& c = product[random.next() % product.size()];
      std::set<Pair> left = missing;
      erase_pairs(c, left);
      if (left.size() < best_left) {
        best = c;
        best_left = left.size();
      }
    }
    erase_pairs(best, missing);
    chosen.push_back(std::move(best));
  }
  return chosen;
}

class Product {
 public:
  Product(std::string model, Profile profile) : model_(std::move(model)), profile_(profile) {
    expected_ = run(Combination(axes_.size()));
  }

  const std::vector<Axis>& axes() const { return axes_; }
  const RlOutcome& expected() const { return expected_; }

  // "" where the combination gives the expected outcome; otherwise what differs first and which axes it comes from.
  std::string check(const Combination& c) const {
    const std::string difference = first_difference(run(c));
    return difference.empty() ? "" : fmt::format("{}\n{}\n{}", describe(c), difference, name_axes(c));
  }

 private:
  RlOutcome run(const Combination& c) const {
    RlSetting setting;
    for (std::size_t a = 0; a < c.size(); ++a) axes_[a].set(setting, c[a]);
    return run_rl(model_, profile_, kSteps, setting);
  }
  std::string first_difference(const RlOutcome& found) const {
    for (std::size_t i = 0; i < std::min(found.size(), expected_.size()); ++i)
      if (found[i] != expected_[i]) return fmt::format("{}; expected {}", found[i], expected_[i]);
    return found.size() == expected_.size() ? "" : "another number of updates";
  }
  std::string describe(const Combination& c) const {
    std::string text;
    for (std::size_t a = 0; a < c.size(); ++a)
      text += fmt::format("{}{} {}", a == 0 ? "" : ", ", axes_[a].name, axes_[a].values[c[a]]);
    return text;
  }
  // Axes that cannot be put back to their first value without the difference going.
  std::string name_axes(Combination c) const {
    std::string names;
    for (std::size_t a = c.size(); a-- > 0;) {
      if (c[a] == 0) continue;
      Combination tried = c;
      tried[a] = 0;
      if (first_difference(run(tried)).empty()) {
        names = axes_[a].name + (names.empty() ? "" : " x " + names);
      } else {
        c = tried;
      }
    }
    return fmt::format("axis: {}; smallest failing setting: {}", names, describe(c));
  }

  std::string model_;
  Profile profile_;
  std::vector<Axis> axes_ = invar::axes();
  RlOutcome expected_;
};

class TrainingProduct : public testing::TestWithParam<std::tuple<std::string, Profile>> {};

TEST_P(TrainingProduct, HasOneWeightHash) {
  const auto& [model, profile] = GetParam();
  SplitMix64 random(run_seed());
  const Product product(model, profile);
  // Weights move in every step, and the second update of a step is off policy.
  for (const char* what : {": weights ", ": largest ratio ", ": gradients "}) {
    std::set<std::string> values;
    for (const std::string& line : product.expected())
      if (line.find(what) != std::string::npos) values.insert(line.substr(line.find(what)));
    EXPECT_GE(values.size(), kSteps) << what;
  }
  const char* slow = std::getenv("INVAR_SLOW_TESTS");
  const bool all = slow != nullptr && std::string(slow) == "1";
  const std::vector<Combination> combinations =
      all ? full_product(product.axes())
          : covering(product.axes(), profile == Profile::kTc16 ? 0 : profile == Profile::kFma32 ? 40 : 20, random);
  std::printf("%zu combinations of %zu\n", combinations.size(), full_product(product.axes()).size());
  for (const Combination& combination : combinations) ASSERT_EQ(product.check(combination), "");
}

INSTANTIATE_TEST_SUITE_P(Models, TrainingProduct,
                         testing::Combine(testing::Values("llama", "qwen2", "qwen3"),
                                          testing::ValuesIn(kAllProfiles)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::string(profile_name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace invar
