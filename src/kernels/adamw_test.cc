#include "kernels/adamw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <vector>

#include "kernels/tiers_test.h"
#include "numerics/grid_sum.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20241101;

AdamWStep step_of(int64_t number) {
  AdamWStep step = {.lr = 1e-3f,
                    .beta1 = 0.9f,
                    .beta2 = 0.999f,
                    .eps = 1e-8f,
                    .weight_decay = 0.1f,
                    .m_correction = 0,
                    .v_correction = 0,
                    .gradient_scale = 1.0f / 768.0f};
  adamw_set_corrections(step, number);
  return step;
}

struct State {
  std::vector<int64_t> gradient;
  std::vector<float> m, v, master;
  std::vector<bf16> weight;
};

// Gradients of every size up to the buffer's limit, some of them 0; every other 64 are below 2^50 units, which have a
// shorter way to fp32 on AVX2.
State random_state(int64_t size, uint64_t seed) {
  TestRandom random(seed);
  State state;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t shift = i / 64 % 2 == 0 ? 14 + random.below(49) : 1 + random.below(62);
    state.gradient.push_back(random.below(20) == 0 ? 0 : static_cast<int64_t>(random.next()) >> shift);
  }
  state.m = random.normals(size, 1e-3f);
  state.v = random.normals(size, 1e-4f);
  for (float& v : state.v) v = v * v;
  state.master = random.normals(size, 0.05f);
  state.weight.assign(static_cast<size_t>(size), bf16{0x7fff});
  return state;
}

void apply(Queue& queue, State& state, const AdamWStep& step) {
  adamw(queue, {.gradient = state.gradient.data(),
                .m = state.m.data(),
                .v = state.v.data(),
                .master = state.master.data(),
                .weight = state.weight.data(),
                .size = std::ssize(state.gradient),
                .step = step});
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(
      a, b, [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); });
}

void expect_equal(const State& a, const State& b, const std::string& where) {
  EXPECT_TRUE(same_bits(a.m, b.m)) << where;
  EXPECT_TRUE(same_bits(a.v, b.v)) << where;
  EXPECT_TRUE(same_bits(a.master, b.master)) << where;
  EXPECT_TRUE(std::ranges::equal(a.weight, b.weight)) << where;
}

TEST(Adamw, EveryTierAndNumberOfThreadsEqualsRefOverSeveralSteps) {
  std::printf("seed %lu\n", kSeed);
  for (const int64_t size : {0, 1, 15, 16, 17, 100, 1023, 1024, 1040, 40000}) {
    TestQueue ref(Tier::kRef, 1);
    std::vector<State> expected = {random_state(size, kSeed + static_cast<uint64_t>(size))};
    for (int64_t number = 1; number <= 3; ++number) {
      expected.push_back(expected.back());
      apply(ref.queue, expected.back(), step_of(number));
    }
    for (const auto& test_queue : all_queues()) {
      State state = expected[0];
      for (int64_t number = 1; number <= 3; ++number) {
        apply(test_queue->queue, state, step_of(number));
        expect_equal(state, expected[number], test_queue->name() + " size " + std::to_string(size));
      }
    }
  }
}

TEST(Adamw, SubnormalMomentsAreKeptOnEveryTier) {
  State start = random_state(64, kSeed);
  std::ranges::fill(start.gradient, 1);  // 2^-40
  std::ranges::fill(start.m, 3e-44f);
  std::ranges::fill(start.v, 1.4e-45f);
  AdamWStep step = step_of(1);
  step.gradient_scale = 1e-30f;
  TestQueue ref(Tier::kRef, 1);
  State expected = start;
  apply(ref.queue, expected, step);
  EXPECT_TRUE(std::fpclassify(expected.m[0]) == FP_SUBNORMAL &&
              std::fpclassify(expected.v[0]) == FP_SUBNORMAL);
  for (const auto& test_queue : all_queues()) {
    State state = start;
    apply(test_queue->queue, state, step);
    expect_equal(state, expected, test_queue->name());
  }
}

// The textbook in binary64, from the same state: a few roundings of fp32 apart.
TEST(Adamw, IsTheUpdateOfThePaper) {
  const State before = random_state(4000, kSeed);
  for (const int64_t number : {1, 2, 1000, 100000}) {
    State after = before;
    const AdamWStep step = step_of(number);
    TestQueue best(best_tier(), 2);
    apply(best.queue, after, step);
    for (size_t i = 0; i < before.m.size(); ++i) {
      const double b1 = step.beta1, b2 = step.beta2;
      const double g = static_cast<double>(before.gradient[i]) * 0x1p-40 * step.gradient_scale;
      const double m = b1 * before.m[i] + (1 - b1) * g, v = b2 * before.v[i] + (1 - b2) * g * g;
      const double m_hat = m / (1 - std::pow(b1, number)), v_hat = v / (1 - std::pow(b2, number));
      const double update =
          m_hat / (std::sqrt(v_hat) + step.eps) + step.weight_decay * double{before.master[i]};
      const double magnitude = (std::abs(b1 * before.m[i]) + std::abs((1 - b1) * g));
      EXPECT_NEAR(after.m[i], m, 4 * 0x1p-24 * magnitude);
      EXPECT_NEAR(after.v[i], v, 6 * 0x1p-24 * v);
      const double largest = magnitude / std::max(std::abs(m), 1e-300) * std::abs(update) + std::abs(update);
      EXPECT_NEAR(after.master[i], before.master[i] - step.lr * update,
                  0x1p-24 * std::abs(after.master[i]) + 16 * 0x1p-24 * step.lr * largest)
          << i;
      EXPECT_EQ(after.weight[i], to_bf16(after.master[i]));
    }
  }
}

TEST(Adamw, CorrectionsAreThePowersToTheLastBitOfFloat) {
  for (const int64_t number : {1, 2, 3, 10, 999, 5000, 1000000}) {
    const AdamWStep step = step_of(number);
    const long double p1 = std::pow(static_cast<long double>(step.beta1), number);
    const long double p2 = std::pow(static_cast<long double>(step.beta2), number);
    EXPECT_EQ(step.m_correction, static_cast<float>(1 / (1 - p1))) << number;
    EXPECT_EQ(step.v_correction, static_cast<float>(1 / std::sqrt(1 - p2))) << number;
  }
}

TEST(Adamw, TheFirstStepMovesEachWeightByTheLearningRate) {
  State state = random_state(100, kSeed);
  std::ranges::fill(state.m, 0.0f);
  std::ranges::fill(state.v, 0.0f);
  const std::vector<float> before = state.master;
  AdamWStep step = step_of(1);
  step.weight_decay = 0;
  step.gradient_scale = 1;
  TestQueue best(best_tier(), 1);
  apply(best.queue, state, step);
  for (size_t i = 0; i < before.size(); ++i) {
    const double g = from_grid(state.gradient[i]);
    EXPECT_NEAR(state.master[i] - before[i], g == 0 ? 0 : -1e-3 * g / (std::abs(g) + 1e-8), 1e-7) << i;
  }
}

}  // namespace
}  // namespace invar
