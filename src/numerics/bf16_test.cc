#include "numerics/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "numerics/exhaustive_test.h"
#include "numerics/fp16.h"
#include "numerics/scalar.h"

namespace invar {
namespace {

// Nearest even by distances: the two bf16 neighbours toward and away from zero, compared in binary64 (exact).
uint16_t nearest_bf16(float x) {
  if (std::isnan(x)) return 0x7fff;
  const uint16_t toward = static_cast<uint16_t>(num::as_int(x) >> 16);
  if (std::isinf(x)) return toward;
  const uint16_t away = toward + 1;
  const double low = std::fabs(to_float(bf16{toward}));
  const double high = (away & 0x7fff) == 0x7f80 ? 0x1p128 : std::fabs(to_float(bf16{away}));
  const double value = std::fabs(static_cast<double>(x));
  if (value - low != high - value) return value - low < high - value ? toward : away;
  return (toward & 1) == 0 ? toward : away;
}

struct Differences {
  int64_t count = 0;
  void merge(const Differences& other) { count += other.count; }
};

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  const auto differing = for_all_inputs<Differences>([](Differences& state, uint32_t input) {
    const float x = num::as_float(input);
    state.count += to_bf16(x).bits != nearest_bf16(x);
  });
  EXPECT_EQ(0, differing.count);
}

TEST(Bf16, EveryTieAndItsNeighboursRoundToTheNearest) {
  int64_t differing = 0;
  for (uint32_t upper = 0; upper < 0x10000u; ++upper)
    for (uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const float x = num::as_float(upper << 16 | lower);
      differing += to_bf16(x).bits != nearest_bf16(x);
    }
  EXPECT_EQ(0, differing);
}

TEST(Bf16, EveryBf16IsExactInFp32) {
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const bf16 x{static_cast<uint16_t>(bits)};
    EXPECT_EQ(std::isnan(to_float(x)) ? 0x7fffu : bits, to_bf16(to_float(x)).bits);
  }
}

TEST(Fp16, EveryFp16IsExactInFp32) {
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const float x = to_float(fp16{static_cast<uint16_t>(bits)});
    const int exponent = static_cast<int>(bits >> 10 & 0x1f);
    const int fraction = static_cast<int>(bits & 0x3ff);
    if (exponent == 31) {
      EXPECT_TRUE(fraction == 0 ? std::isinf(x) : std::isnan(x));
    } else {
      EXPECT_EQ(std::ldexp(exponent == 0 ? fraction : 1024 + fraction, std::max(exponent, 1) - 25),
                std::fabs(x));
    }
    EXPECT_EQ(bits >> 15 != 0, std::signbit(x));
  }
}

}  // namespace
}  // namespace invar
