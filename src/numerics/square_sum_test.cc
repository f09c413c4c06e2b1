#include "numerics/square_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace invar {
namespace {

constexpr uint64_t kSeed = 20241108;

SquareSum words(uint64_t high, uint64_t middle, uint64_t low) { return {{low, middle, high}}; }

TEST(SquareSum, CarriesThroughAllWords) {
  SquareSum sum = words(0, ~uint64_t{0}, ~uint64_t{0});
  add_to(sum, static_cast<unsigned __int128>(1));
  EXPECT_EQ(sum, words(1, 0, 0));
  sum = words(0, ~uint64_t{0}, ~uint64_t{0});
  add_to(sum, ~static_cast<unsigned __int128>(0));
  EXPECT_EQ(sum, words(1, ~uint64_t{0}, ~uint64_t{0} - 1));
  add_to(sum, words(5, 0, 2));
  EXPECT_EQ(sum, words(7, 0, 0));
}

// Long multiplication of 32-bit digits, eight of them, as an oracle.
struct Digits {
  uint64_t digit[8] = {};
  void add_square(int64_t value) {
    const uint64_t v = value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    const uint64_t part[2] = {v & 0xffffffff, v >> 32};
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) {
        const uint64_t product = part[i] * part[j];
        digit[i + j] += product & 0xffffffff;
        digit[i + j + 1] += product >> 32;
      }
    for (int i = 0; i < 7; ++i) {
      digit[i + 1] += digit[i] >> 32;
      digit[i] &= 0xffffffff;
    }
  }
  SquareSum sum() const {
    return words(digit[5] << 32 | digit[4], digit[3] << 32 | digit[2], digit[1] << 32 | digit[0]);
  }
};

TEST(SquareSum, IsExactForSumsOfEverySizeAndInAnyOrder) {
  std::printf("seed %lu\n", kSeed);
  std::mt19937_64 random(kSeed);
  for (int turn = 0; turn < 200; ++turn) {
    std::vector<int64_t> values(random() % 300);
    Digits digits;
    for (int64_t& v : values) {
      v = turn == 0 ? (int64_t{1} << 62) - 1 : static_cast<int64_t>(random()) >> (2 + random() % 60);
      digits.add_square(v);
    }
    SquareSum whole;
    add_squares(whole, values.data(), std::ssize(values));
    ASSERT_EQ(whole, digits.sum()) << turn;
    std::shuffle(values.begin(), values.end(), random);
    SquareSum parts;
    for (size_t i = 0; i < values.size();) {
      const size_t count = std::min(values.size() - i, 1 + random() % 50);
      SquareSum part;
      add_squares(part, values.data() + i, static_cast<int64_t>(count));
      add_to(parts, part);
      i += count;
    }
    ASSERT_EQ(parts, whole) << turn;
  }
}

TEST(SquareSum, BecomesTheNearestDoubleTiesToEven) {
  EXPECT_EQ(to_double(words(0, 0, 0)), 0.0);
  EXPECT_EQ(to_double(words(0, 0, 1)), 1.0);
  EXPECT_EQ(to_double(words(0, 1, 0)), 0x1p64);
  EXPECT_EQ(to_double(words(1, 0, 0)), 0x1p128);
  for (int top = 54; top < 192; ++top)  // bit `top` leads; the last kept is top - 52
    for (const uint64_t odd : {0, 1}) {
      const auto bits = [&](int half, bool below) {
        SquareSum sum;
        const auto set = [&](int bit) { sum.words[bit / 64] |= uint64_t{1} << bit % 64; };
        set(top);
        if (odd == 1) set(top - 52);
        if (half == 1) set(top - 53);
        if (below) set(0);
        return sum;
      };
      const double down = std::ldexp(1.0 + static_cast<double>(odd) * 0x1p-52, top);
      const double up = std::ldexp(1.0 + static_cast<double>(odd + 1) * 0x1p-52, top);
      EXPECT_EQ(to_double(bits(0, false)), down) << top;
      EXPECT_EQ(to_double(bits(0, true)), down) << top;
      EXPECT_EQ(to_double(bits(1, false)), odd == 1 ? up : down) << top;
      EXPECT_EQ(to_double(bits(1, true)), top == 53 ? (odd == 1 ? up : down) : up) << top;
    }
}

TEST(SquareSum, TheNormIsInUnitsOfTheGradient) {
  const int64_t gradient[] = {int64_t{3} << 40, -(int64_t{4} << 40)};
  SquareSum sum;
  add_squares(sum, gradient, 2);
  EXPECT_EQ(gradient_norm(sum), 5.0);
}

}  // namespace
}  // namespace invar
