#include "numerics/p2.h"

#include <gtest/gtest.h>
#include <immintrin.h>

#include <random>
#include <vector>

namespace invar {
namespace {

// Bits of a float whose exponent field is in [low, high]; field 0 makes zeros and subnormals.
uint32_t random_bits(std::mt19937_64& random, uint32_t low, uint32_t high) {
  const uint64_t r = random();
  const uint32_t fraction = (r >> 40 & 3) == 0 ? 0 : static_cast<uint32_t>(r) & 0x7fffffu;
  return static_cast<uint32_t>(r >> 63) << 31 |
         (low + static_cast<uint32_t>(r >> 32 & 0xff) % (high - low + 1)) << 23 | fraction;
}

struct Operands {
  bf16 a[2];
  bf16 w[2];
  float acc;
};

Operands random_operands(std::mt19937_64& random) {
  const auto operand = [&](uint32_t low, uint32_t high) {
    return bf16{static_cast<uint16_t>(random_bits(random, low, high) >> 16)};
  };
  switch (random() % 4) {
    case 0:  // products near 2^-126 .. 2^-150, accumulator just above and below the smallest normal
      return {{operand(40, 64), operand(40, 64)},
              {operand(52, 68), operand(52, 68)},
              num::as_float(random_bits(random, 0, 4))};
    case 1:  // subnormal operands against large ones
      return {{operand(0, 1), operand(240, 254)},
              {operand(240, 254), operand(0, 1)},
              num::as_float(random_bits(random, 0, 254))};
    case 2:
      return {{operand(0, 254), operand(0, 254)},
              {operand(0, 254), operand(0, 254)},
              num::as_float(random_bits(random, 0, 254))};
    default:
      return {{operand(120, 130), operand(120, 130)},
              {operand(120, 130), operand(120, 130)},
              num::as_float(random_bits(random, 100, 140))};
  }
}

// Two hardware FMAs with MXCSR's FTZ and DAZ set.
float hardware_fma(float a, float w, float acc) {
  const __m128 r = _mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(w), _mm_set_ss(acc));
  return _mm_cvtss_f32(r);
}
float hardware_p2(const Operands& x) {
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040u);
  volatile float acc = x.acc;
  acc = hardware_fma(to_float(x.a[1]), to_float(x.w[1]), acc);
  acc = hardware_fma(to_float(x.a[0]), to_float(x.w[0]), acc);
  _mm_setcsr(saved);
  return acc;
}

// One vdpbf16ps, in assembly because this file is built for CPUs without it.
float hardware_dpbf16(const Operands& x) {
  const auto pair = [](const bf16* v) {
    return static_cast<int>(v[0].bits | static_cast<uint32_t>(v[1].bits) << 16);
  };
  const __m128i a = _mm_set1_epi32(pair(x.a));
  const __m128i w = _mm_set1_epi32(pair(x.w));
  __m128 acc = _mm_set_ss(x.acc);
  asm("vdpbf16ps %[w], %[a], %[acc]" : [acc] "+x"(acc) : [a] "x"(a), [w] "x"(w));
  return _mm_cvtss_f32(acc);
}

float ours(const Operands& x) { return p2(x.acc, x.a[0], x.a[1], x.w[0], x.w[1]); }

bool same(float a, float b) { return num::as_int(a) == num::as_int(b) || (a != a && b != b); }

TEST(P2, EqualsTwoFmasThatFlushSubnormals) {
  const uint64_t seed = 20240611;
  std::mt19937_64 random(seed);
  int64_t differing = 0;
  for (int i = 0; i < 2'000'000; ++i) {
    const Operands x = random_operands(random);
    differing += !same(ours(x), hardware_p2(x));
  }
  EXPECT_EQ(0, differing) << "seed " << seed;
}

TEST(P2, EqualsVdpbf16ps) {
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vl"))
    GTEST_SKIP() << "no AVX512-BF16 here";
  const uint64_t seed = 20240612;
  std::mt19937_64 random(seed);
  int64_t differing = 0;
  for (int i = 0; i < 2'000'000; ++i) {
    const Operands x = random_operands(random);
    differing += !same(ours(x), hardware_dpbf16(x));
  }
  EXPECT_EQ(0, differing) << "seed " << seed;
}

// Exact results 2^-126 - j 2^-154. Kept as subnormals they would round to 2^-126 for j <= 16; the flush
// looks at 24 bits, which reach 2^-126 for j <= 8 only.
TEST(P2, FlushesWhatReachesTheSmallestNormalOnlyAsASubnormal) {
  for (int j = 0; j <= 40; ++j) {
    const float product = static_cast<float>(j) * 0x1p-80f;
    const float expected = j <= 8 ? 0x1p-126f : 0.0f;
    EXPECT_EQ(num::as_int(expected), num::as_int(p2_fma(-product, 0x1p-74f, 0x1p-126f))) << j;
    EXPECT_EQ(num::as_int(-expected), num::as_int(p2_fma(product, 0x1p-74f, -0x1p-126f))) << j;
  }
}

TEST(P2, TakesTheOddElementOfAPairFirst) {
  const bf16 one = to_bf16(1.0f);
  const bf16 big = to_bf16(0x1p24f);
  const bf16 minus_big = to_bf16(-0x1p24f);
  // (1 + 2^24) rounds to 2^24, then - 2^24: 0. The other order would give 1.
  EXPECT_EQ(0.0f, p2(1.0f, minus_big, big, one, one));
  EXPECT_EQ(1.0f, p2(0.0f, one, big, one, bf16{}) + 0.0f);
  const std::vector<bf16> a{big, one, minus_big, one};
  const std::vector<bf16> w(4, one);
  // ((0 + 1) + 2^24 -> 2^24) + 1 -> 2^24, - 2^24 -> 0
  EXPECT_EQ(0.0f, dot_p2(0.0f, a.data(), w.data(), 4));
}

TEST(P2, TrailingZeroTermsAreNeutralButForTheSignOfAZero) {
  const bf16 zero{};
  for (uint32_t bits : {0x00800000u, 0x3f800000u, 0x80800001u, 0x7f800000u, 0xff7fffffu})
    EXPECT_EQ(bits, num::as_int(p2(num::as_float(bits), zero, zero, zero, zero)));
  EXPECT_EQ(0u, num::as_int(p2(-0.0f, zero, zero, zero, zero)));
}

}  // namespace
}  // namespace invar
