#include "kernels/linear_weight_grad.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cpu/linear_kernels.h"
#include "kernels/cpu/linear_weight_grad_driver.h"
#include "kernels/tiers_test.h"
#include "numerics/grid_sum.h"
#include "numerics/p2.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20241003;

// kLarge: leaves around 2^12, which are integers of the grid already; kTiny: products around the flush of NUM-P2 and
// below the grid; kTies: leaves that are odd multiples of 2^-41.
enum class Values { kNormal, kLarge, kTiny, kTies };
constexpr Values kAllValues[] = {Values::kNormal, Values::kLarge, Values::kTiny, Values::kTies};

bf16 draw(TestRandom& random, Values values) {
  switch (values) {
    case Values::kNormal: return random.below(16) == 0 ? bf16{0} : to_bf16(random.normal());
    case Values::kLarge: return to_bf16(24.0f * random.normal());
    case Values::kTiny: {
      const int64_t field = random.below(2) == 0 ? random.below(3) : 56 + random.below(60);
      return {static_cast<uint16_t>(random.below(2) << 15 | field << 7 | random.below(128))};
    }
    case Values::kTies:
      return to_bf16(static_cast<float>(random.below(5) - 2) * 0x1p-20f *
                     (random.below(2) == 0 ? 0.5f : 1.0f));
  }
  return {};
}

struct Shape {
  int64_t n;
  int64_t k;
};

// Sequences with gaps between them and behind their columns, all gaps full of NaN.
struct Problem {
  Problem(Shape shape, const std::vector<int64_t>& lengths, Values values, uint64_t seed)
      : shape(shape), dy_stride(shape.n + 5), x_stride(shape.k + 3) {
    TestRandom random(seed);
    int64_t rows = 0;
    for (const int64_t length : lengths) {
      rows += random.below(3);
      sequences.push_back({.row_begin = rows, .rows = length});
      rows += length;
    }
    dy.assign(static_cast<size_t>(rows * dy_stride), bf16{0x7fff});
    x.assign(static_cast<size_t>(rows * x_stride), bf16{0x7fff});
    for (const SequenceRows& s : sequences)
      for (int64_t t = s.row_begin; t < s.row_begin + s.rows; ++t) {
        for (int64_t n = 0; n < shape.n; ++n) dy[t * dy_stride + n] = draw(random, values);
        for (int64_t k = 0; k < shape.k; ++k) x[t * x_stride + k] = draw(random, values);
      }
  }

  Shape shape;
  int64_t dy_stride, x_stride;
  std::vector<bf16> dy, x;
  std::vector<SequenceRows> sequences;
};

// What one or more calls add to gradients that are not zero before, with one element behind them that stays.
struct Gradient {
  explicit Gradient(Shape shape)
      : grad(static_cast<size_t>(shape.n * shape.k + 1)), bias(static_cast<size_t>(shape.n + 1)) {
    std::iota(grad.begin(), grad.end(), -3);
    std::iota(bias.begin(), bias.end(), 5);
  }
  bool operator==(const Gradient&) const = default;

  std::vector<int64_t> grad, bias;
  bool overflow = false;
};

using Op = void (*)(Queue&, const LinearWeightGradArgs&);

// vdpbf16ps itself: the op prefers FMAs on some of the CPUs that have it.
void weight_grad_dpbf16(Queue& queue, const LinearWeightGradArgs& args) {
  linear_weight_grad_tiled(queue, args, linear_fma32_avx512bf16(), grid_kernels_avx512());
}

void add(Queue& queue, const Problem& problem, std::span<const SequenceRows> sequences, Gradient& gradient,
         Op op = linear_weight_grad) {
  op(queue, {.dy = problem.dy.data(),
             .dy_stride = problem.dy_stride,
             .x = problem.x.data(),
             .x_stride = problem.x_stride,
             .sequences = sequences,
             .n = problem.shape.n,
             .k = problem.shape.k,
             .grad = gradient.grad.data(),
             .grad_bias = gradient.bias.data(),
             .overflow = &gradient.overflow});
}

Gradient run(Queue& queue, const Problem& problem, Op op = linear_weight_grad) {
  Gradient gradient(problem.shape);
  add(queue, problem, problem.sequences, gradient, op);
  return gradient;
}

class LinearWeightGrad : public testing::TestWithParam<Profile> {
 protected:
  Queue queue(Tier tier, int threads) { return Queue(shared_pool(threads), GetParam(), tier); }
  bool has_dpbf16() const { return GetParam() == Profile::kFma32 && tier_supported(Tier::kAvx512Bf16); }
};

INSTANTIATE_TEST_SUITE_P(Profiles, LinearWeightGrad, testing::ValuesIn(kAllProfiles),
                         [](const auto& info) { return std::string(profile_name(info.param)); });

// The kind of values and the number of threads take turns; every tier sees every shape and every cut of tokens.
TEST_P(LinearWeightGrad, EveryTierEqualsRefOnEdgeShapes) {
  const std::vector<int64_t> kLengths[] = {{},
                                           {0},
                                           {1},
                                           {2},
                                           {15},
                                           {16},
                                           {17},
                                           {0, 3, 0, 1},
                                           {100},
                                           {192, 1, 191},
                                           {511},
                                           {512},
                                           {513, 512},
                                           {1025, 7},
                                           std::vector<int64_t>(70, 1),
                                           {31, 33, 5, 200, 1, 1, 64}};
  constexpr int kThreads[] = {1, 2, 3, 5};
  std::printf("seed %lu\n", kSeed);
  uint64_t turn = 0;
  for (const Shape shape :
       {Shape{1, 1}, Shape{7, 15}, Shape{8, 48}, Shape{9, 49}, Shape{33, 16}, Shape{50, 100}, Shape{3, 150}})
    for (const std::vector<int64_t>& lengths : kLengths) {
      ++turn;
      const Problem problem(shape, lengths, kAllValues[turn % 4], kSeed + turn);
      Queue ref = queue(Tier::kRef, 2);
      const Gradient expected = run(ref, problem);
      ASSERT_FALSE(expected.overflow);
      for (Tier tier : fast_tiers()) {
        Queue fast = queue(tier, kThreads[turn / 4 % 4]);
        ASSERT_EQ(expected, run(fast, problem))
            << tier_name(tier) << " N " << shape.n << " K " << shape.k << " turn " << turn;
      }
      if (!has_dpbf16()) continue;
      Queue fast = queue(Tier::kAvx512Bf16, 1);
      ASSERT_EQ(expected, run(fast, problem, weight_grad_dpbf16))
          << "vdpbf16ps N " << shape.n << " K " << shape.k;
    }
}

TEST_P(LinearWeightGrad, EveryLengthUpToThreeLeavesEqualsRef) {
  std::printf("seed %lu\n", kSeed);
  for (int64_t length = 1; length <= 1100; length += GetParam() == Profile::kFma32 ? 1 : 7) {
    const Problem problem({9, 17}, {length, 1 + length % 37}, kAllValues[length % 4],
                          kSeed + static_cast<uint64_t>(length));
    Queue ref = queue(Tier::kRef, 1);
    const Gradient expected = run(ref, problem);
    for (Tier tier : fast_tiers()) {
      Queue fast = queue(tier, 1);
      ASSERT_EQ(expected, run(fast, problem)) << tier_name(tier) << " length " << length;
    }
    if (!has_dpbf16()) continue;
    Queue fast = queue(Tier::kAvx512Bf16, 1);
    ASSERT_EQ(expected, run(fast, problem, weight_grad_dpbf16)) << length;
  }
}

// Tiles of grad and of its transpose, one block of rows and several of the driver, several chunks.
TEST_P(LinearWeightGrad, LargeGradientsOnAnyNumberOfThreadsEqualRef) {
  const bool emulated = GetParam() == Profile::kTc16;
  struct {
    Shape shape;
    std::vector<int64_t> lengths;
  } const kCases[] = {{emulated ? Shape{530, 20} : Shape{1100, 131}, {600, 40}},
                      {emulated ? Shape{20, 530} : Shape{131, 1100}, {600, 40}},
                      {{790, 780}, {17, 3}},
                      {{780, 790}, {17, 3}}};
  for (const auto& c : kCases) {
    const Problem problem(c.shape, c.lengths, Values::kNormal, kSeed);
    Queue ref = queue(Tier::kRef, 2);
    const Gradient expected = run(ref, problem);
    for (Tier tier : fast_tiers())
      for (int threads : {1, 2, 3, 5, 8}) {
        Queue fast = queue(tier, threads);
        ASSERT_EQ(expected, run(fast, problem))
            << tier_name(tier) << " threads " << threads << " N " << c.shape.n << " K " << c.shape.k;
      }
  }
}

// The fast tiers keep small sums in two halves of 32 bits (GridHalves): leaves at the limit of what these take, leaves
// half a unit of the upper half, which leave most to the lower one, ties and what is below the grid; all of one sign,
// which is how halves fill up, and mixed; every number of leaves up to several carries.
TEST_P(LinearWeightGrad, LeavesAtTheEdgesOfTheHalvesOfSumsEqualRefInAnyNumber) {
  constexpr Shape kShape = {20, 50};
  const float kFactors[] = {64.0f,    -64.0f,     0x1p-5f,       -0x1p-5f, 0x1.8p-4f, -0x1.8p-4f, 0x1.fep-5f, 0x1p-13f,
                            0x1p-33f, -0x1p-33f, 0x1.8p-32f, 0x1p-34f, -0x1p-13f, -3.0f,      0.0f,       1.0f};
  std::printf("seed %lu\n", kSeed);
  TestRandom random(kSeed);
  for (const bool mixed : {false, true}) {
    Problem problem(kShape, std::vector<int64_t>(60, 1), Values::kNormal, kSeed);
    for (const SequenceRows& s : problem.sequences) {
      bf16* dy = problem.dy.data() + s.row_begin * problem.dy_stride;
      bf16* x = problem.x.data() + s.row_begin * problem.x_stride;
      // The first tile of rows has no leaf too large for halves, but one at their limit; the last has 127.5.
      for (int64_t n = 0; n < kShape.n; ++n) dy[n] = to_bf16(n == 0 ? 0.5f : n < 15 ? 0x1p-8f : -1.0f);
      for (int64_t k = 0; k < kShape.k; ++k) x[k] = to_bf16(kFactors[(mixed ? random.below(16) : k) % 16]);
      x[13] = to_bf16(mixed && random.below(4) > 0 ? 1.0f : 127.5f);
    }
    for (size_t count = 1; count <= problem.sequences.size(); ++count) {
      const std::span<const SequenceRows> sequences(problem.sequences.data(), count);
      Queue ref = queue(Tier::kRef, 1);
      Gradient expected(kShape);
      add(ref, problem, sequences, expected);
      ASSERT_FALSE(expected.overflow);
      for (Tier tier : fast_tiers()) {
        Queue fast = queue(tier, 1);
        Gradient found(kShape);
        add(fast, problem, sequences, found);
        ASSERT_EQ(expected, found) << tier_name(tier) << " leaves " << count << " mixed " << mixed;
      }
    }
  }
}

// Micro-batches, packing and ranks of a training step: whatever the cut and the order, one sum.
TEST_P(LinearWeightGrad, AnyCutOfSequencesIntoCallsAndAnyOrderGivesTheSameSum) {
  std::printf("seed %lu\n", kSeed);
  TestRandom random(kSeed);
  std::vector<int64_t> lengths;
  for (int i = 0; i < 60; ++i) lengths.push_back(1 + random.below(i % 10 == 0 ? 900 : 40));
  const Problem problem({21, 70}, lengths, Values::kNormal, kSeed);
  for (Tier tier : fast_tiers()) {
    Queue one = queue(tier, 1);
    const Gradient expected = run(one, problem);
    for (int turn = 0; turn < 10; ++turn) {
      Queue fast = queue(tier, 1 + turn % 3);
      std::vector<SequenceRows> sequences = problem.sequences;
      for (size_t i = sequences.size() - 1; i > 0; --i)
        std::swap(sequences[i], sequences[random.next() % (i + 1)]);
      Gradient gradient(problem.shape);
      const int64_t most = turn == 0 ? 1 : 1 + random.below(30);
      for (size_t i = 0; i < sequences.size();) {
        const size_t count =
            std::min(sequences.size() - i, static_cast<size_t>(turn == 0 ? 1 : 1 + random.below(most)));
        add(fast, problem, {sequences.data() + i, count}, gradient);
        i += count;
      }
      ASSERT_EQ(expected, gradient) << tier_name(tier) << " turn " << turn;
    }
  }
}

// The same leaves, added in fp32 as a kernel without the grid would: the two orders of two micro-batches differ. This
// is the mistake that the test above has to see.
TEST(LinearWeightGradFma32, LeavesAddedInFloatDependOnTheOrderOfSequences) {
  const Problem problem({16, 16}, {512, 300, 20, 512, 77}, Values::kNormal, kSeed);
  std::vector<std::vector<float>> sums;
  for (const bool backwards : {false, true}) {
    std::vector<SequenceRows> sequences = problem.sequences;
    if (backwards) std::reverse(sequences.begin(), sequences.end());
    std::vector<float>& sum = sums.emplace_back(16 * 16, 0.0f);
    for (const SequenceRows& s : sequences)
      for (int64_t n = 0; n < 16; ++n)
        for (int64_t k = 0; k < 16; ++k) {
          std::vector<bf16> a(static_cast<size_t>(s.rows + 1)), w(a.size());  // a zero to make the count even
          for (int64_t t = 0; t < s.rows; ++t) {
            a[t] = problem.dy[(s.row_begin + t) * problem.dy_stride + n];
            w[t] = problem.x[(s.row_begin + t) * problem.x_stride + k];
          }
          sum[n * 16 + k] += dot_p2(0.0f, a.data(), w.data(), (s.rows + 1) / 2 * 2);
        }
  }
  EXPECT_NE(sums[0], sums[1]);
  // The grid's sum is within its rounding of either: five leaves, half a unit each, and 24 bits of the float sums.
  ThreadPool pool(1);
  Queue queue(pool, Profile::kFma32);
  Gradient gradient(problem.shape);
  std::fill(gradient.grad.begin(), gradient.grad.end(), 0);
  add(queue, problem, problem.sequences, gradient);
  for (size_t i = 0; i < sums[0].size(); ++i) EXPECT_NEAR(from_grid(gradient.grad[i]), sums[0][i], 1e-4) << i;
}

TEST_P(LinearWeightGrad, IsTheSumOfProductsOverTokens) {
  const Problem problem({20, 40}, {700, 90}, Values::kNormal, kSeed);
  Queue fast = queue(best_tier(), 2);
  Gradient gradient(problem.shape);
  const Gradient before = gradient;
  add(fast, problem, problem.sequences, gradient);
  double worst = 0, worst_bias = 0;
  for (int64_t n = 0; n < 20; ++n) {
    double bias = 0;
    for (int64_t k = 0; k < 40; ++k) {
      double sum = 0, magnitude = 0;
      for (const SequenceRows& s : problem.sequences)
        for (int64_t t = s.row_begin; t < s.row_begin + s.rows; ++t) {
          const double product = static_cast<double>(to_float(problem.dy[t * problem.dy_stride + n])) *
                                 to_float(problem.x[t * problem.x_stride + k]);
          sum += product;
          magnitude += std::abs(product);
          if (k == 0) bias += to_float(problem.dy[t * problem.dy_stride + n]);
        }
      const int64_t found = gradient.grad[n * 40 + k] - before.grad[n * 40 + k];
      worst = std::max(worst, std::abs(static_cast<double>(found) * 0x1p-40 - sum) / magnitude);
    }
    worst_bias = std::max(worst_bias,
                          std::abs(static_cast<double>(gradient.bias[n] - before.bias[n]) * 0x1p-40 - bias));
  }
  EXPECT_LT(worst, 512 * 0x1p-24) << "relative to the sum of magnitudes; a chain of 512 additions";
  EXPECT_LT(worst_bias, 790 * 0x1p-41) << "half a unit a token";
}

TEST_P(LinearWeightGrad, AValueBeyondTheGridIsReportedOnEveryTierAndSpoilsNoOtherElement) {
  const float kBad[] = {65536.0f, -65536.0f, std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::quiet_NaN()};
  for (const float bad : kBad)
    for (Tier tier : kAllTiers) {
      if (!tier_supported(tier)) continue;
      Problem problem({20, 50}, {40, 30}, Values::kNormal, kSeed);
      Queue fast = queue(tier, 2);
      const Gradient good = run(fast, problem);
      ASSERT_FALSE(good.overflow);
      // A sequence of one token, all zeros but dy[3] and x[40]: the leaf of (3, 40) is the value.
      problem.sequences.push_back({.row_begin = 50, .rows = 1});
      problem.dy.assign(problem.dy.size() + 60 * problem.dy_stride, bf16{0});
      problem.x.assign(problem.x.size() + 60 * problem.x_stride, bf16{0});
      const int64_t row = problem.sequences.back().row_begin;
      problem.dy[row * problem.dy_stride + 3] = to_bf16(std::isfinite(bad) ? bad / 256 : bad);
      problem.x[row * problem.x_stride + 40] = to_bf16(256.0f);
      Gradient found(problem.shape);
      add(fast, problem, {&problem.sequences.back(), 1}, found);
      EXPECT_TRUE(found.overflow) << tier_name(tier) << " " << bad;
      const Gradient before(problem.shape);
      for (size_t i = 0; i < found.grad.size(); ++i) {
        if (i / 50 == 3) continue;
        EXPECT_EQ(found.grad[i], before.grad[i]) << tier_name(tier) << " " << i;
      }
      // The largest value that is none.
      problem.dy[row * problem.dy_stride + 3] = {0x437f};  // 255
      found = Gradient(problem.shape);
      add(fast, problem, {&problem.sequences.back(), 1}, found);
      EXPECT_FALSE(found.overflow) << tier_name(tier);
      EXPECT_EQ(found.grad[3 * 50 + 40] - before.grad[3 * 50 + 40], int64_t{255 * 256} << 40)
          << tier_name(tier);
    }
}

TEST_P(LinearWeightGrad, AFullBufferIsReportedOnEveryTier) {
  const Problem problem({20, 50}, {40}, Values::kNormal, kSeed);
  for (Tier tier : kAllTiers) {
    if (!tier_supported(tier)) continue;
    Queue fast = queue(tier, 1);
    for (const int64_t sign : {1, -1})
      for (const size_t element : {size_t{0}, size_t{17 * 50 + 49}, size_t{3 * 50 + 17}}) {
        Gradient gradient(problem.shape);
        const Gradient before = gradient;
        add(fast, problem, problem.sequences, gradient);
        const int64_t step = gradient.grad[element] - before.grad[element];
        ASSERT_NE(step, 0);
        // The sum reaches the limit, and stays one below it.
        for (const int64_t missing : {0, 1}) {
          Gradient full(problem.shape);
          full.grad[element] = sign * (kGridBufferLimit - missing) - step;
          add(fast, problem, problem.sequences, full);
          EXPECT_EQ(full.overflow, missing == 0) << tier_name(tier) << " " << element << " " << sign;
        }
      }
  }
}

TEST_P(LinearWeightGrad, ABiasIsNotNeeded) {
  const Problem problem({20, 50}, {40, 3}, Values::kNormal, kSeed);
  Queue fast = queue(best_tier(), 2);
  const Gradient expected = run(fast, problem);
  Gradient found(problem.shape);
  linear_weight_grad(fast, {.dy = problem.dy.data(),
                            .dy_stride = problem.dy_stride,
                            .x = problem.x.data(),
                            .x_stride = problem.x_stride,
                            .sequences = problem.sequences,
                            .n = 20,
                            .k = 50,
                            .grad = found.grad.data(),
                            .grad_bias = nullptr,
                            .overflow = &found.overflow});
  EXPECT_EQ(found.grad, expected.grad);
}

}  // namespace
}  // namespace invar
