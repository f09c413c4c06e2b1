#include "kernels/grad_square_sum.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20241109;

TEST(GradSquareSum, IsTheExactSumOnAnyNumberOfThreadsAndAnyCutIntoTensors) {
  std::printf("seed %lu\n", kSeed);
  TestRandom random(kSeed);
  for (const int64_t size : {0, 1, 7, 4096, 4097, 100000}) {
    std::vector<int64_t> gradient;
    for (int64_t i = 0; i < size; ++i)
      gradient.push_back(static_cast<int64_t>(random.next()) >> (2 + random.below(60)));
    SquareSum expected;
    add_squares(expected, gradient.data(), size);
    for (const auto& test_queue : all_queues()) {
      EXPECT_EQ(grad_square_sum(test_queue->queue, gradient), expected) << test_queue->name() << " " << size;
      const int64_t cut = size / 3;
      SquareSum parts =
          grad_square_sum(test_queue->queue, std::span(gradient).subspan(static_cast<size_t>(cut)));
      add_to(parts, grad_square_sum(test_queue->queue, std::span(gradient).first(static_cast<size_t>(cut))));
      EXPECT_EQ(parts, expected) << test_queue->name() << " " << size;
    }
  }
}

}  // namespace
}  // namespace invar
