#include "numerics/reduction.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace invar {
namespace {

// NUM-RED once more, from the text of docs/numerics.md: every node of the fold by recursion on its leaves.
float lane_sum(const std::vector<bf16>& x, int64_t t, int64_t j) {
  float s = 0;
  for (int64_t i = 8 * t + j; i < static_cast<int64_t>(x.size()); i += 2048)
    s = num::fma(to_float(x[i]), to_float(x[i]), s);
  return s;
}
float thread_sum(const std::vector<bf16>& x, int64_t t) {
  float s[8];
  for (int64_t j = 0; j < 8; ++j) s[j] = lane_sum(x, t, j);
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
// The value of thread t of a group after the strides 16 .. stride.
float group_node(const std::vector<bf16>& x, int64_t group, int64_t t, int64_t stride) {
  if (stride == 32) return thread_sum(x, group * 32 + t);
  return group_node(x, group, t, stride * 2) + group_node(x, group, t + stride, stride * 2);
}
float sum_by_recursion(const std::vector<bf16>& x) {
  float g[8];
  for (int64_t i = 0; i < 8; ++i) g[i] = group_node(x, i, 0, 1);
  return ((g[0] + g[4]) + (g[2] + g[6])) + ((g[1] + g[5]) + (g[3] + g[7]));
}

std::vector<bf16> random_row(uint64_t seed, int64_t n) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<bf16> x(n);
  for (bf16& value : x) value = to_bf16(normal(random));
  return x;
}

TEST(Reduction, SumOfSquaresFollowsTheWrittenOrderAtEveryLength) {
  for (int64_t n : {0, 1, 7, 8, 9, 31, 255, 256, 257, 576, 1024, 2047, 2048, 2049, 4096, 5000, 12288}) {
    const auto x = random_row(n, n);
    EXPECT_EQ(num::as_int(sum_by_recursion(x)), num::as_int(sum_of_squares(x.data(), n))) << "n = " << n;
  }
}

TEST(Reduction, SumOfSquaresIsCloseToTheExactSum) {
  const auto x = random_row(1, 4096);
  double exact = 0;
  for (bf16 value : x) exact += static_cast<double>(to_float(value)) * to_float(value);
  // 2 additions in a lane and 11 of the fold, each within 2^-24.
  EXPECT_NEAR(exact, sum_of_squares(x.data(), 4096), exact * 13 * 0x1p-24);
}

TEST(Reduction, TrailingZerosAreNeutral) {
  auto x = random_row(2, 576);
  const uint32_t bits = num::as_int(sum_of_squares(x.data(), 576));
  x.resize(4096);
  EXPECT_EQ(bits, num::as_int(sum_of_squares(x.data(), 4096)));
}

}  // namespace
}  // namespace invar
