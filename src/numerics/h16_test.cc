#include "numerics/h16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "numerics/functions.h"
#include "numerics/safetensors_test.h"

namespace invar {
namespace {

template <class T>
int64_t differing_bits(const SafetensorsVectors& goldens, const std::string& name) {
  const auto a = goldens.values<T>(name + ".a");
  const auto w = goldens.values<T>(name + ".w");
  const auto c = goldens.values<float>(name + ".c");
  const auto d = goldens.values<float>(name + ".d");
  const int64_t k = goldens.integers(name + ".a", "shape")[1];
  const int64_t n = goldens.integers(name + ".w", "shape")[0];
  int64_t differing = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    const float got = dot_h16(c[i], &a[i / n * k], &w[i % n * k], k);
    differing += std::popcount(num::as_int(got) ^ num::as_int(d[i]));
  }
  return differing;
}

TEST(H16, ReproducesEveryBitOfHopperTensorCores) {
  const SafetensorsVectors goldens(INVAR_SOURCE_DIR "/tests/goldens/hopper_mma.safetensors");
  ASSERT_FALSE(goldens.empty());
  int64_t cases = 0;
  for (const char* name :
       {"n16", "n32", "n4096", "pos4096", "w16", "w512", "x16", "c0_16", "sub16", "specials", "fp16_64"}) {
    SCOPED_TRACE(name);
    ASSERT_FALSE(goldens.integers(std::string(name) + ".d", "shape").empty());
    const bool is_fp16 = goldens.is_fp16(std::string(name) + ".a");
    EXPECT_EQ(0, is_fp16 ? differing_bits<fp16>(goldens, name) : differing_bits<bf16>(goldens, name));
    ++cases;
  }
  EXPECT_EQ(11, cases);
}

// One term or two of bf16 powers of two (times `sign`), everything else zero.
float h16_of(int exponent_a, int exponent_w, float sign, int exponent_a1 = 0, int exponent_w1 = 0,
             float sign1 = 0) {
  bf16 a[16] = {};
  bf16 w[16] = {};
  a[0] = to_bf16(std::ldexp(sign, exponent_a));
  w[0] = to_bf16(std::ldexp(1.0f, exponent_w));
  a[5] = to_bf16(std::ldexp(sign1, exponent_a1));
  w[5] = to_bf16(std::ldexp(1.0f, exponent_w1));
  return h16(0.0f, a, w);
}

TEST(H16, ASumBelowTheSmallestSubnormalIsPlusZero) {
  EXPECT_EQ(num::as_int(h16_of(-100, -49, -1.0f)), 0x80000001u);
  EXPECT_EQ(num::as_int(h16_of(-100, -50, -1.0f)), 0u);
  EXPECT_EQ(num::as_int(h16_of(-126, -126, -1.0f)), 0u);
}

TEST(H16, AlignsToNothingFinerThanTwoToTheMinus158) {
  // 2^-140 - 2^-158 is below 2^-140, so its truncation loses a subnormal unit; 2^-159 is dropped before.
  EXPECT_EQ(num::as_int(h16_of(-70, -70, 1.0f, -79, -79, -1.0f)), 0x1ffu);
  EXPECT_EQ(num::as_int(h16_of(-70, -70, 1.0f, -79, -80, -1.0f)), 0x200u);
}

// The rule once more, in binary64: every term and every sum of at most 17 truncated terms is exact there.
float h16_by_doubles(float c, const bf16* a, const bf16* w) {
  const auto exponent = [](float x) { return std::max(std::ilogb(x), -126); };
  int largest = c == 0 ? -10000 : exponent(c);
  for (int i = 0; i < 16; ++i) {
    const float x = to_float(a[i]);
    const float y = to_float(w[i]);
    if (x != 0 && y != 0) largest = std::max(largest, exponent(x) + exponent(y));
  }
  if (largest == -10000) return 0.0f;
  largest = std::max(largest, -133);
  double sum = std::trunc(std::ldexp(static_cast<double>(c), 25 - largest));
  for (int i = 0; i < 16; ++i)
    sum += std::trunc(std::ldexp(static_cast<double>(to_float(a[i])) * to_float(w[i]), 25 - largest));
  if (sum == 0) return 0.0f;
  const int last = std::max(std::ilogb(sum) + largest - 25, -126) - 23;  // exponent of the last bit kept
  const double kept = std::ldexp(std::trunc(std::ldexp(sum, largest - 25 - last)), last);
  if (std::fabs(kept) >= 0x1p128) return sum < 0 ? -num::kInfinity : num::kInfinity;
  return kept == 0 ? 0.0f : static_cast<float>(kept);
}

struct Step {
  float c;
  bf16 a[16];
  bf16 w[16];
};

// Finite operands with exponent fields in a random window, now and then zero.
Step random_step(std::mt19937_64& random) {
  const uint32_t low = random() % 255;
  const uint32_t width = 1 + random() % std::min<uint32_t>(255 - low, 1 + random() % 64);
  const auto operand = [&](uint32_t begin) {
    const uint64_t r = random();
    if (r % 16 == 0) return bf16{static_cast<uint16_t>(r >> 48 & 0x8000)};
    return bf16{static_cast<uint16_t>((r >> 63) << 15 | (begin + (r >> 8) % width) << 7 | (r >> 40 & 0x7f))};
  };
  Step step;
  const uint32_t mirror = random() % 2 == 0 ? low : 255 - low - width;  // products near 1, or anywhere
  for (int i = 0; i < 16; ++i) {
    step.a[i] = operand(low);
    step.w[i] = operand(mirror);
  }
  const uint64_t r = random();
  step.c =
      num::as_float(static_cast<uint32_t>((r >> 63) << 31 | (r >> 8) % 255 << 23 | (r >> 40 & 0x7fffff)));
  if (r % 4 == 0) step.c = 0.0f;
  return step;
}

TEST(H16, EqualsTheRuleWrittenInDoublesForAnyFiniteOperands) {
  const uint64_t seed = 5;
  std::mt19937_64 random(seed);
  int64_t differing = 0;
  for (int i = 0; i < 300'000; ++i) {
    const Step step = random_step(random);
    const float got = h16(step.c, step.a, step.w);
    differing += num::as_int(got) != num::as_int(h16_by_doubles(step.c, step.a, step.w));
  }
  EXPECT_EQ(0, differing) << "seed " << seed;
}

TEST(H16, TheOrderOfTheSixteenProductsIsFree) {
  const uint64_t seed = 6;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    Step step = random_step(random);
    const float forward = h16(step.c, step.a, step.w);
    std::reverse(step.a, step.a + 16);
    std::reverse(step.w, step.w + 16);
    ASSERT_EQ(num::as_int(forward), num::as_int(h16(step.c, step.a, step.w)))
        << "seed " << seed << " step " << i;
  }
}

TEST(H16, AStepOfZerosKeepsTheAccumulatorButForTheSignOfAZero) {
  const bf16 zeros[16] = {};
  for (uint32_t bits : {0x00000001u, 0x807fffffu, 0x00800000u, 0x3f800001u, 0xff7fffffu, 0x7f800000u})
    EXPECT_EQ(bits, num::as_int(h16(num::as_float(bits), zeros, zeros)));
  EXPECT_EQ(0u, num::as_int(h16(-0.0f, zeros, zeros)));
}

}  // namespace
}  // namespace invar
