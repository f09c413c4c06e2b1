#include "numerics/grid_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include "numerics/exhaustive_test.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20240927;

int64_t grid(float x) {
  bool overflow = false;
  const int64_t v = to_grid(x, overflow);
  EXPECT_FALSE(overflow) << x;
  return v;
}

TEST(GridSum, AValueEntersAsTheNearestMultipleTiesToEven) {
  EXPECT_EQ(grid(1.0f), int64_t{1} << 40);
  EXPECT_EQ(grid(-1.5f), -(int64_t{3} << 39));
  EXPECT_EQ(grid(0x1p-41f), 0);    // a tie
  EXPECT_EQ(grid(0x1.8p-40f), 2);  // a tie
  EXPECT_EQ(grid(-0x1.8p-40f), -2);
  EXPECT_EQ(grid(-0x1.4p-39f), -2);
  EXPECT_EQ(grid(0x1.000002p-41f), 1);
  EXPECT_EQ(grid(-0.0f), 0);
  EXPECT_EQ(grid(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(grid(std::nextafter(kGridLimit, 0.0f)), (int64_t{1} << 56) - (int64_t{1} << 32));
}

struct Differences {
  int64_t count = 0;
  void merge(const Differences& other) { count += other.count; }
};

TEST(GridSum, EveryFloatEntersAsLibmRoundsItOrIsFlagged) {
  const auto differing = for_all_inputs<Differences>([](Differences& state, uint32_t input) {
    const float x = num::as_float(input);
    bool overflow = false;
    const int64_t v = to_grid(x, overflow);
    const bool expected = !(std::fabs(x) < 65536.0f);
    const int64_t value = expected ? 0 : std::llrint(static_cast<double>(x) * 0x1p40);
    state.count += overflow != expected || v != value;
  });
  EXPECT_EQ(differing.count, 0);
}

TEST(GridSum, TheFlagIsSetForEveryValueTooLargeAndNeverCleared) {
  for (float x : {65536.0f, -65536.0f, 3e38f, std::numeric_limits<float>::infinity(),
                  -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(),
                  -std::numeric_limits<float>::quiet_NaN()}) {
    bool overflow = false;
    EXPECT_EQ(to_grid(x, overflow), 0);
    EXPECT_TRUE(overflow) << x;
    to_grid(1.0f, overflow);
    EXPECT_TRUE(overflow) << x;
  }
}

// An fp32 holds 24 bits; numbers of up to 62 bits around every tie.
TEST(GridSum, LeavesAsTheNearestFloatTiesToEven) {
  EXPECT_EQ(from_grid(0), 0.0f);
  EXPECT_FALSE(std::signbit(from_grid(0)));
  EXPECT_EQ(from_grid(1), 0x1p-40f);
  for (int64_t odd : {0, 1})
    for (int shift = 1; shift < 38; ++shift) {
      const int64_t low = ((int64_t{1} << 23) + odd) << shift, unit = int64_t{1} << shift;
      for (int64_t sign : {1, -1}) {
        const auto at = [&](int64_t v) { return from_grid(sign * v) * static_cast<float>(sign); };
        const float down = std::ldexp(static_cast<float>((1 << 23) + odd), shift - 40);
        const float up = std::ldexp(static_cast<float>((1 << 23) + odd + 1), shift - 40);
        EXPECT_EQ(at(low), down);
        EXPECT_EQ(at(low + unit / 2), odd == 1 ? up : down) << shift;
        EXPECT_EQ(at(low + unit / 2 + 1), up) << shift;
        if (unit > 2) {
          EXPECT_EQ(at(low + unit / 2 - 1), down) << shift;
        }
      }
    }
}

TEST(GridSum, AMergeFlagsTwoToThe62AndNothingBelow) {
  struct {
    int64_t buffer, sum;
    bool overflow;
  } constexpr kCases[] = {{kGridBufferLimit - 2, 1, false},
                          {kGridBufferLimit - 1, 1, true},
                          {-kGridBufferLimit + 2, -1, false},
                          {-kGridBufferLimit + 1, -1, true},
                          {kGridBufferLimit - 1, -kGridBufferLimit + 1, false},
                          {kGridBufferLimit - 1, kGridBufferLimit - 1, true},
                          {-kGridBufferLimit + 1, -kGridBufferLimit + 1, true},
                          {0, 0, false}};
  for (const auto& c : kCases) {
    int64_t buffer = c.buffer;
    bool overflow = false;
    grid_merge(buffer, c.sum, overflow);
    EXPECT_EQ(overflow, c.overflow) << c.buffer << " + " << c.sum;
    EXPECT_EQ(buffer, c.buffer + c.sum);
    overflow = true;
    grid_merge(buffer, 0, overflow);
    EXPECT_TRUE(overflow);
  }
}

TEST(GridSum, ThirtyTwoOfTheLargestValuesStayWithinATile) {
  const int64_t largest = grid(std::nextafter(kGridLimit, 0.0f));
  EXPECT_LT(largest, kGridBufferLimit / 2 / kGridTile);
}

// What the integers are for, beside what they replace.
TEST(GridSum, AnyOrderAndAnyCutGivesTheSameSumWhileFloatsDiffer) {
  std::printf("seed %lu\n", kSeed);
  std::mt19937_64 random(kSeed);
  std::vector<float> values(5000);
  for (float& x : values)
    x = std::ldexp(static_cast<float>(static_cast<int32_t>(random())), -20 - int(random() % 30));
  int64_t first = 0;
  float first_float = 0;
  int float_differs = 0;
  for (int turn = 0; turn < 20; ++turn) {
    std::shuffle(values.begin(), values.end(), random);
    int64_t buffer = 0;
    float sum = 0;
    bool overflow = false;
    for (size_t i = 0; i < values.size();) {
      int64_t tile = 0;
      for (size_t end = std::min(values.size(), i + 1 + random() % kGridTile); i < end; ++i) {
        tile += to_grid(values[i], overflow);
        sum += values[i];
      }
      grid_merge(buffer, tile, overflow);
    }
    ASSERT_FALSE(overflow);
    if (turn == 0) {
      first = buffer;
      first_float = sum;
    }
    ASSERT_EQ(buffer, first) << turn;
    float_differs += std::bit_cast<uint32_t>(sum) != std::bit_cast<uint32_t>(first_float);
  }
  EXPECT_GT(float_differs, 0);
}

}  // namespace
}  // namespace invar
