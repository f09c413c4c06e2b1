#include "numerics/log_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "numerics/exhaustive_test.h"

namespace invar {
namespace {

TEST(LogSum, MassIsTheNearestMultipleOfTwoToTheMinus40) {
  EXPECT_EQ(1ull << 40, lse_mass(1.0f));
  EXPECT_EQ(0u, lse_mass(0.0f));
  EXPECT_EQ(0u, lse_mass(0x1p-41f));  // a tie, to even
  EXPECT_EQ(2u, lse_mass(0x1.8p-40f));
  EXPECT_EQ(1u, lse_mass(0x1.000002p-41f));
  struct Differences {
    int64_t count = 0;
    void merge(const Differences& other) { count += other.count; }
  };
  const auto differing = for_all_inputs<Differences>([](Differences& state, uint32_t input) {
    const float x = num::as_float(input);
    if (!(x >= 0 && x <= 1)) return;
    state.count += lse_mass(x) != static_cast<uint64_t>(std::nearbyint(static_cast<double>(x) * 0x1p40));
  });
  EXPECT_EQ(0, differing.count);
}

TEST(LogSum, OfOneCertainTokenIsExactlyZero) { EXPECT_EQ(0u, num::as_int(log_sum(1ull << 40))); }

TEST(LogSum, KeepsItsRelativePrecisionFromTheSmallestRestToTheLargestVocabulary) {
  const uint64_t seed = 7;
  std::mt19937_64 random(seed);
  double worst = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const uint64_t rest = random() >> (1 + random() % 63);  // up to 2^23 - 1 tokens as likely as the first
    const float got = log_sum((1ull << 40) + rest);
    const double exact = std::log1p(static_cast<double>(rest) * 0x1p-40);
    if (rest == 0) continue;
    worst = std::max(worst, error_ulp(got, exact));
  }
  EXPECT_LT(worst, 2.0) << "ulp, seed " << seed;
}

TEST(LogSum, LogProbsOfARowSumToOne) {
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  std::vector<float> z(50'000);
  for (float& value : z) value = normal(random);
  float max = z[0];
  for (float value : z) max = std::max(max, value);
  uint64_t total = 0;
  for (float value : z) total += lse_mass(num::exp(value - max));
  const float row_log_sum = log_sum(total);
  double sum = 0;
  for (float value : z) sum += std::exp(static_cast<double>(log_prob(value, max, row_log_sum)));
  EXPECT_NEAR(1.0, sum, 1e-6);
}

}  // namespace
}  // namespace invar
