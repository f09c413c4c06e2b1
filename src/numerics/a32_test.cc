#include "numerics/a32.h"

#include <gtest/gtest.h>
#include <immintrin.h>

#include <cmath>
#include <random>
#include <vector>

namespace invar {
namespace {

constexpr uint64_t kSeed = 20261122;

bf16 random_bf16(std::mt19937_64& random, int kind) {
  const auto exponent = [&](uint32_t low, uint32_t high) {
    const uint64_t r = random();
    const uint32_t field = low + static_cast<uint32_t>(r >> 32) % (high - low + 1);
    return bf16{static_cast<uint16_t>((r & 0x807fu) | field << 7)};
  };
  switch (kind) {
    case 0: return exponent(120, 130);
    case 1: return exponent(40, 66);  // products around the smallest normal number
    case 2: return random() % 2 == 0 ? exponent(0, 1) : exponent(200, 254);
    default: return exponent(0, 254);
  }
}

// The definition in FMAs of this CPU with subnormals flushed (MXCSR).
float hardware_a32(float acc_in, const bf16* a, const bf16* w) {
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040u);
  volatile float acc = acc_in;
  volatile float sums[2] = {0.0f, 0.0f};
  for (int i = 0; i < 32; ++i) {
    const __m128 r =
        _mm_fmadd_ss(_mm_set_ss(to_float(a[i])), _mm_set_ss(to_float(w[i])), _mm_set_ss(sums[i % 2]));
    sums[i % 2] = _mm_cvtss_f32(r);
  }
  volatile float sum = _mm_cvtss_f32(_mm_add_ss(_mm_set_ss(sums[0]), _mm_set_ss(sums[1])));
  acc = _mm_cvtss_f32(_mm_add_ss(_mm_set_ss(acc), _mm_set_ss(sum)));
  _mm_setcsr(saved);
  return acc;
}

bool same(float a, float b) { return num::as_int(a) == num::as_int(b) || (a != a && b != b); }

// tdpbf16ps itself is compared in kernels/linear_test.cc, and by the tier's self-check before it is used.
TEST(A32, EqualsFmasAndAdditionsThatFlushSubnormals) {
  std::mt19937_64 random(kSeed);
  int64_t differing = 0;
  for (int i = 0; i < 200'000; ++i) {
    bf16 a[32], w[32];
    for (bf16& x : a) x = random_bf16(random, i % 4);
    for (bf16& x : w) x = random_bf16(random, i % 4);
    const float acc = to_float(random_bf16(random, i % 4)) * 1.17f;
    differing += !same(a32(acc, a, w, 32), hardware_a32(acc, a, w));
  }
  EXPECT_EQ(0, differing) << "seed " << kSeed;
}

TEST(A32, ChainsOfEvenAndOddElementsStartAnewEachGroupAndAreAddedLast) {
  const bf16 one = to_bf16(1.0f), big = to_bf16(0x1p24f), minus_big = to_bf16(-0x1p24f);
  const std::vector<bf16> ones(64, one);
  std::vector<bf16> a(64, bf16{0});
  // In one chain 2^24 + 1 - 2^24 is 0; the odd element has a chain of its own.
  a[0] = big, a[1] = one, a[2] = minus_big;
  EXPECT_EQ(dot_a32(0.0f, a.data(), ones.data(), 64), 1.0f);
  a[2] = one, a[4] = minus_big;  // now the even chain loses the 1, the odd one has its own
  EXPECT_EQ(dot_a32(0.0f, a.data(), ones.data(), 64), 1.0f);
  // A group is added to the accumulator whole: 2^24 + (1 + 1) keeps what 2^24 + 1 + 1 loses.
  a.assign(64, bf16{0});
  a[0] = big, a[32] = one, a[34] = one;
  EXPECT_EQ(dot_a32(0.0f, a.data(), ones.data(), 64), 0x1p24f + 2);
  a[34] = bf16{0}, a[63] = one;
  EXPECT_EQ(dot_a32(0.0f, a.data(), ones.data(), 64), 0x1p24f + 2);
}

TEST(A32, APartOfAGroupIsPaddedWithZeros) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    bf16 a[32] = {}, w[32] = {};
    for (int j = 0; j < 16; ++j) a[j] = random_bf16(random, i % 4), w[j] = random_bf16(random, i % 4);
    const float acc = i % 2 == 0 ? -0.0f : to_float(random_bf16(random, i % 4));
    ASSERT_TRUE(same(a32(acc, a, w, 16), a32(acc, a, w, 32))) << i << " seed " << kSeed;
  }
  // Both chains end at -0, from a flush; the zeros behind turn them into +0.
  bf16 a[32] = {}, w[32] = {};
  a[0] = a[1] = {static_cast<uint16_t>(0x8000 | 40 << 7)}, w[0] = w[1] = {40 << 7};
  EXPECT_FALSE(std::signbit(a32(-0.0f, a, w, 2)));
  EXPECT_FALSE(std::signbit(a32(-0.0f, a, w, 32)));
}

TEST(A32, FlushesSumsOfChains) {
  // 2^-125 - 1.5 * 2^-126 = 2^-127: subnormal.
  bf16 a[32] = {}, w[32] = {};
  a[0] = to_bf16(0x1p-60f), w[0] = to_bf16(0x1p-65f);
  a[1] = to_bf16(-0x1.8p-61f), w[1] = to_bf16(0x1p-65f);
  EXPECT_EQ(num::as_int(a32(0.0f, a, w, 32)), 0u);
  EXPECT_EQ(num::as_int(a32(0x1p-149f, a, w, 32)), 0u) << "and a subnormal accumulator";
}

}  // namespace
}  // namespace invar
