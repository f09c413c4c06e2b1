#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/linear_driver.h"
#include "kernels/tiers_test.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20240611;

enum class Values { kNormal, kWide, kCancelling, kSubnormal, kSpecials };
constexpr Values kAllValues[] = {Values::kNormal, Values::kWide, Values::kCancelling, Values::kSubnormal,
                                 Values::kSpecials};

const char* name_of(Values values) {
  constexpr const char* kNames[] = {"normal", "wide", "cancelling", "subnormal", "specials"};
  return kNames[static_cast<int>(values)];
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int below(int n) { return static_cast<int>(engine_() % static_cast<uint64_t>(n)); }

  bf16 draw(Values values) {
    switch (values) {
      case Values::kNormal: return below(16) == 0 ? bf16{0} : with_exponent(120 + below(8));
      case Values::kWide: return with_exponent(127 - 80 + below(161));
      case Values::kCancelling: return {static_cast<uint16_t>(0x3f7e + below(3) + 0x8000 * below(2))};
      case Values::kSubnormal:
        // Products around 2^-126 and far below, subnormal operands among them.
        return with_exponent(below(3) == 0 ? 0 : below(2) == 0 ? 1 + below(60) : 60 + below(8));
      case Values::kSpecials: {
        constexpr uint16_t kRare[] = {0x7f80, 0xff80, 0x7fc0, 0x7f81, 0xffff,
                                      0x8000, 0x0001, 0x807f, 0x7f7f, 0xff7f};
        return below(100) == 0 ? bf16{kRare[below(10)]} : with_exponent(110 + below(16));
      }
    }
    return {};
  }

 private:
  bf16 with_exponent(int field) { return {static_cast<uint16_t>(below(2) << 15 | field << 7 | below(128))}; }
  std::mt19937_64 engine_;
};

struct Shape {
  int64_t rows;
  int64_t n;
  int64_t k;
};

struct Variant {
  bool bias;
  bool fp32;
};

// Operands of one product; x has gaps between its rows, full of NaN.
struct Problem {
  Problem(Shape shape, Values values, uint64_t seed) : shape(shape), x_stride(shape.k + 3) {
    Random random(seed);
    x.assign(static_cast<size_t>(shape.rows * x_stride), bf16{0x7fff});
    for (int64_t r = 0; r < shape.rows; ++r)
      for (int64_t k = 0; k < shape.k; ++k) x[r * x_stride + k] = random.draw(values);
    std::vector<bf16> w(static_cast<size_t>(shape.n * shape.k));
    for (bf16& value : w) value = random.draw(values);
    // Two blocks, as of a weight that is packed from several.
    const int64_t first = shape.n / 3;
    const WeightRows blocks[] = {{w.data(), first}, {w.data() + first * shape.k, shape.n - first}};
    weight = pack_weight(blocks, shape.k);
    bias.resize(static_cast<size_t>(shape.n));
    const Values finite = values == Values::kSpecials ? Values::kNormal : values;
    for (float& value : bias) value = to_float(random.draw(finite)) * 1.25f;
  }

  Shape shape;
  int64_t x_stride;
  std::vector<bf16> x;
  PackedWeight weight;
  std::vector<float> bias;
};

using Op = void (*)(Queue&, const LinearArgs&);

// vdpbf16ps itself: linear() prefers FMAs on some of the CPUs that have it.
void linear_dpbf16(Queue& queue, const LinearArgs& args) {
  if (args.rows > 0) linear_tiled(queue, args, linear_fma32_avx512bf16());
}

// The bits of the output of rows [begin, end), gaps included: they must keep what was there.
std::vector<uint32_t> run(Queue& queue, const Problem& problem, Variant variant, int64_t begin, int64_t end,
                          Op op = linear) {
  const int64_t stride = problem.shape.n + 5;
  std::vector<float> fp32(static_cast<size_t>((end - begin) * stride), -7.0f);
  std::vector<bf16> rounded(fp32.size(), bf16{0xabcd});
  op(queue, {.x = problem.x.data() + begin * problem.x_stride,
             .x_stride = problem.x_stride,
             .weight = &problem.weight,
             .bias = variant.bias ? problem.bias.data() : nullptr,
             .out_bf16 = variant.fp32 ? nullptr : rounded.data(),
             .out_f32 = variant.fp32 ? fp32.data() : nullptr,
             .out_stride = stride,
             .rows = end - begin});
  std::vector<uint32_t> bits;
  for (size_t i = 0; i < fp32.size(); ++i) {
    // NaN is one value but in tc16.
    const bool nan = queue.profile() != Profile::kTc16 && std::isnan(fp32[i]);
    bits.push_back(!variant.fp32 ? rounded[i].bits : nan ? 0x7fffffffu : std::bit_cast<uint32_t>(fp32[i]));
  }
  return bits;
}

int64_t differing(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  int64_t count = a.size() == b.size() ? 0 : -1;
  for (size_t i = 0; i < a.size() && count >= 0; ++i) count += a[i] != b[i];
  return count;
}

class Linear : public testing::TestWithParam<Profile> {
 protected:
  Queue queue(Tier tier, int threads) { return Queue(shared_pool(threads), GetParam(), tier); }
};

INSTANTIATE_TEST_SUITE_P(Profiles, Linear, testing::ValuesIn(kAllProfiles),
                         [](const auto& info) { return std::string(profile_name(info.param)); });

// The variant and the number of threads take turns over the shapes; every tier sees every shape and kind of values.
TEST_P(Linear, EveryTierEqualsRefOnEdgeShapes) {
  constexpr Variant kVariants[] = {{false, true}, {true, true}, {false, false}, {true, false}};
  constexpr int kThreads[] = {1, 2, 3, 5};
  std::printf("seed %lu\n", kSeed);
  uint64_t turn = 0;
  for (int64_t rows : {0, 1, 2, 3, 5, 17, 64})
    for (int64_t n : {1, 15, 16, 17, 48, 100})
      for (int64_t k : {1, 2, 15, 16, 17, 31, 64, 100, 576})
        for (Values values : kAllValues) {
          ++turn;
          const Problem problem({rows, n, k}, values, kSeed + turn);
          const Variant variant = kVariants[turn % 4];
          Queue ref = queue(Tier::kRef, 1);
          const auto expected = run(ref, problem, variant, 0, rows);
          for (Tier tier : fast_tiers()) {
            Queue fast = queue(tier, kThreads[turn / 4 % 4]);
            ASSERT_EQ(differing(expected, run(fast, problem, variant, 0, rows)), 0)
                << tier_name(tier) << " rows " << rows << " N " << n << " K " << k << " " << name_of(values)
                << " bias " << variant.bias << " fp32 " << variant.fp32 << " threads "
                << fast.pool().threads() << " turn " << turn;
          }
          if (GetParam() == Profile::kFma32 && tier_supported(Tier::kAvx512Bf16)) {
            Queue fast = queue(Tier::kAvx512Bf16, 1);
            ASSERT_EQ(differing(expected, run(fast, problem, variant, 0, rows, linear_dpbf16)), 0)
                << "vdpbf16ps rows " << rows << " N " << n << " K " << k << " " << name_of(values) << " turn "
                << turn;
          }
        }
}

TEST_P(Linear, ThreadsAndVariantsDoNotChangeABit) {
  for (Shape shape : {Shape{1, 100, 64}, Shape{5, 400, 100}, Shape{17, 17, 576}, Shape{130, 100, 31}})
    for (Values values : {Values::kNormal, Values::kSpecials}) {
      const Problem problem(shape, values, kSeed);
      for (Variant variant : {Variant{false, true}, {true, true}, {false, false}, {true, false}}) {
        Queue ref = queue(Tier::kRef, 2);
        const auto expected = run(ref, problem, variant, 0, shape.rows);
        for (Tier tier : fast_tiers())
          for (int threads : {1, 2, 3, 5}) {
            Queue fast = queue(tier, threads);
            ASSERT_EQ(differing(expected, run(fast, problem, variant, 0, shape.rows)), 0)
                << tier_name(tier) << " rows " << shape.rows << " threads " << threads << " "
                << name_of(values);
          }
      }
    }
}

TEST_P(Linear, EveryNumberOfRowsUpToTwoTilesEqualsRef) {
  const Problem problem({34, 140, 200}, Values::kNormal, kSeed);
  Queue ref = queue(Tier::kRef, 2);
  for (int64_t rows = 1; rows <= problem.shape.rows; ++rows) {
    const auto expected = run(ref, problem, {false, true}, 0, rows);
    for (Tier tier : fast_tiers()) {
      Queue fast = queue(tier, 1);
      ASSERT_EQ(differing(expected, run(fast, problem, {false, true}, 0, rows)), 0)
          << tier_name(tier) << " " << rows;
      if (tier != Tier::kAvx512Bf16 || GetParam() != Profile::kFma32) continue;
      ASSERT_EQ(differing(expected, run(fast, problem, {false, true}, 0, rows, linear_dpbf16)), 0)
          << "dpbf16 " << rows;
    }
  }
}

TEST_P(Linear, ARowAloneEqualsTheRowInABatch) {
  // 600 rows are two row blocks of the driver, and K is several chunks.
  const Problem problem({600, 70, 400}, Values::kWide, kSeed);
  for (Tier tier : fast_tiers()) {
    Queue two = queue(tier, 2);
    const auto batch = run(two, problem, {true, true}, 0, problem.shape.rows);
    const size_t stride = batch.size() / static_cast<size_t>(problem.shape.rows);
    for (int64_t row = 0; row < problem.shape.rows; row += 7) {
      const auto alone = run(two, problem, {true, true}, row, row + 1);
      ASSERT_TRUE(std::equal(alone.begin(), alone.end(), batch.begin() + row * static_cast<int64_t>(stride)))
          << tier_name(tier) << " row " << row;
    }
  }
}

// The largest terms there are: 16 products of 255/128 squared and an accumulator just below a power of two. Their sum
// needs 33 bits.
TEST_P(Linear, LargestSumsOfAGroupDoNotWrap) {
  for (uint16_t sign : {0x0000, 0x8000})
    for (int64_t k = 16; k <= 256; k += 16) {
      Problem problem({5, 33, k}, Values::kNormal, kSeed);
      for (bf16& value : problem.x) value = {0x3fff};
      for (int64_t i = 0; i < problem.weight.data.size(); ++i)
        problem.weight.data[i] = {static_cast<uint16_t>(sign | (i % 32 < 16 ? 0x3fff : 0x3ffe))};
      Queue ref = queue(Tier::kRef, 1);
      const auto expected = run(ref, problem, {false, true}, 0, 5);
      for (Tier tier : fast_tiers()) {
        Queue fast = queue(tier, 1);
        ASSERT_EQ(differing(expected, run(fast, problem, {false, true}, 0, 5)), 0)
            << tier_name(tier) << " K " << k;
      }
    }
}

TEST(LinearFma32, ResultsThatRoundUpToTheSmallestNormalAreFlushed) {
  // 2^-126 - 2^-150: x86 sees tininess after rounding to 24 bits, where the value is still below 2^-126.
  ThreadPool pool(1);
  const bf16 x[4] = {{127 << 7}, {0}, {(127 - 75) << 7}, {0}};
  const bf16 w[4] = {{1 << 7}, {0}, {static_cast<uint16_t>(0x8000 | (127 - 75) << 7)}, {0}};
  const WeightRows block = {w, 1};
  const PackedWeight weight = pack_weight({&block, 1}, 4);
  for (Tier tier : kAllTiers) {
    if (!tier_supported(tier)) continue;
    Queue queue(pool, Profile::kFma32, tier);
    float y = -1.0f;
    linear(queue, {.x = x, .x_stride = 4, .weight = &weight, .out_f32 = &y, .out_stride = 1, .rows = 1});
    EXPECT_EQ(std::bit_cast<uint32_t>(y), 0u) << tier_name(tier);
  }
}

TEST(LinearFma32, TheBiasAdditionKeepsSubnormalsAndTheModeIsRestored) {
  ThreadPool pool(2);
  const bf16 x[1] = {{0x3f80}};
  const std::vector<bf16> w(40, bf16{0});
  const WeightRows block = {w.data(), 40};
  const PackedWeight weight = pack_weight({&block, 1}, 1);
  const std::vector<float> bias(40, std::numeric_limits<float>::denorm_min() * 3);
  for (Tier tier : fast_tiers()) {
    Queue queue(pool, Profile::kFma32, tier);
    std::vector<float> y(40);
    linear(queue, {.x = x,
                   .x_stride = 1,
                   .weight = &weight,
                   .bias = bias.data(),
                   .out_f32 = y.data(),
                   .out_stride = 40,
                   .rows = 1});
    EXPECT_EQ(y, bias) << tier_name(tier);
    volatile float tiny = std::numeric_limits<float>::min();
    EXPECT_GT(tiny * 0.5f, 0.0f) << tier_name(tier);
  }
}

TEST(PackWeight, IsThePermutationOfTheHeader) {
  const int64_t n = 37, k = 19;
  std::vector<bf16> w(static_cast<size_t>(n * k));
  for (size_t i = 0; i < w.size(); ++i) w[i] = {static_cast<uint16_t>(i + 1)};
  const WeightRows blocks[] = {{w.data(), 5}, {w.data() + 5 * k, 0}, {w.data() + 5 * k, n - 5}};
  const PackedWeight weight = pack_weight(blocks, k);
  ASSERT_EQ(weight.n, n);
  ASSERT_EQ(weight.k_padded(), 32);
  ASSERT_EQ(weight.data.size(), 48 * 32);
  for (int64_t row = 0; row < 48; ++row)
    for (int64_t i = 0; i < 32; ++i) {
      const bf16 expected = row < n && i < k ? w[row * k + i] : bf16{0};
      ASSERT_EQ(weight.panel(row / 16)[i / 2 * 32 + row % 16 * 2 + i % 2], expected) << row << " " << i;
    }
}

TEST(PackRows, AnyCutOfAWeightIntoRowsGivesTheBitsOfPackWeightAndUnpacksAgain) {
  std::printf("seed %lu\n", kSeed);
  std::mt19937_64 random(kSeed);
  for (const int64_t n : {1, 15, 16, 17, 37, 100})
    for (const int64_t k : {1, 2, 16, 19, 33}) {
      std::vector<bf16> w(static_cast<size_t>(n * k));
      for (bf16& value : w) value = {static_cast<uint16_t>(random())};
      const WeightRows whole = {w.data(), n};
      const PackedWeight expected = pack_weight({&whole, 1}, k);
      for (int turn = 0; turn < 8; ++turn) {
        PackedWeight found = packed_zeros(n, k);
        for (int64_t row = 0; row < n;) {
          const int64_t rows = std::min<int64_t>(n - row, 1 + static_cast<int64_t>(random() % 40));
          pack_rows(found, row, {w.data() + row * k, rows});
          row += rows;
        }
        ASSERT_TRUE(std::ranges::equal(expected.data.span(), found.data.span())) << n << " " << k;
        const auto row = static_cast<int64_t>(random() % static_cast<uint64_t>(n));
        std::vector<bf16> back(static_cast<size_t>((n - row) * k));
        unpack_rows(found, row, n - row, back.data());
        ASSERT_TRUE(std::equal(back.begin(), back.end(), w.begin() + row * k)) << n << " " << k;
      }
    }
}

TEST(PackRows, WritesNoElementOfAnotherRowNorThePadding) {
  constexpr int64_t kRows = 37, kIn = 19;
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t rows = 0; row + rows <= kRows; rows += 5) {
      PackedWeight weight = packed_zeros(kRows, kIn);
      const std::vector<bf16> w(static_cast<size_t>(rows * kIn), bf16{0x3f80});
      pack_rows(weight, row, {w.data(), rows});
      for (int64_t i = 0; i < 48; ++i)
        for (int64_t j = 0; j < 32; ++j) {
          const bool written = i >= row && i < row + rows && j < kIn;
          ASSERT_EQ(weight.panel(i / 16)[j / 2 * 32 + i % 16 * 2 + j % 2],
                    bf16{static_cast<uint16_t>(written * 0x3f80)})
              << row << " + " << rows << ": " << i << " " << j;
        }
    }
}

}  // namespace
}  // namespace invar
