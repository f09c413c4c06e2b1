#include "rl/evaluation.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

TEST(PassAtK, IsThePartOfTheSubsetsThatHoldASuccess) {
  // Every subset of k of n samples, the first c of which pass, counted.
  for (int64_t n = 1; n <= 8; ++n) {
    for (int64_t c = 0; c <= n; ++c) {
      for (int64_t k = 1; k <= n; ++k) {
        int subsets = 0, with = 0;
        for (int bits = 0; bits < (1 << n); ++bits) {
          if (__builtin_popcount(static_cast<unsigned>(bits)) != k) continue;
          ++subsets;
          with += (bits & ((1 << c) - 1)) != 0;
        }
        EXPECT_NEAR(pass_at_k(n, c, k), static_cast<double>(with) / subsets, 1e-12) << n << " " << c << " " << k;
      }
    }
  }
}

}  // namespace
}  // namespace invar
