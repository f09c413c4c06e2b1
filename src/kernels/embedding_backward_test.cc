#include "kernels/embedding_backward.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/tiers_test.h"
#include "numerics/grid_sum.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, vocab, dim, stride;
  std::vector<float> d_out;
  std::vector<int32_t> tokens;

  Case(int64_t rows_, int64_t vocab_, int64_t dim_, TestRandom& random)
      : rows(rows_), vocab(vocab_), dim(dim_), stride(dim_ + 3), d_out(random.normals(rows * stride)) {
    for (int64_t r = 0; r < rows; ++r) tokens.push_back(static_cast<int32_t>(random.below(vocab)));
  }

  struct Sums {
    std::vector<int64_t> table;
    bool overflow = false;
    friend bool operator==(const Sums&, const Sums&) = default;
  };
  // Adds rows [begin, end) to sums.
  void add(Queue& queue, int64_t begin, int64_t end, Sums& sums) const {
    sums.table.resize(static_cast<std::size_t>(vocab * dim));
    embedding_backward(queue, {.d_out = d_out.data() + begin * stride,
                               .d_out_stride = stride,
                               .tokens = tokens.data() + begin,
                               .d_table = sums.table.data(),
                               .overflow = &sums.overflow,
                               .rows = end - begin,
                               .vocab = vocab,
                               .dim = dim});
  }
  Sums run(Queue& queue) const {
    Sums sums;
    add(queue, 0, rows, sums);
    return sums;
  }
};

TEST(EmbeddingBackward, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> dims{64, 100, 576};
  for (int64_t dim = 1; dim <= 33; ++dim) dims.push_back(dim);
  for (int64_t dim : dims)
    for (int64_t rows : {0, 1, 2, 5, 300}) {
      Case c(rows, 11, dim, random);
      if (rows == 5)  // every size of value that the grid takes, down to far below its unit
        for (float& x : c.d_out) x = std::ldexp(x, static_cast<int>(random.below(60)) - 47);
      const auto expected = c.run(ref.queue);
      ASSERT_FALSE(expected.overflow);
      for (const auto& q : queues)
        ASSERT_EQ(c.run(q->queue), expected) << q->name() << ", dim " << dim << ", rows " << rows;
    }
}

TEST(EmbeddingBackward, TheOrderOfTokensAndTheCutIntoCallsChangeNoBit) {
  TestRandom random(2);
  const Case c(200, 7, 100, random);
  Case reversed = c;
  for (int64_t r = 0; r < c.rows; ++r) {
    reversed.tokens[r] = c.tokens[c.rows - 1 - r];
    std::copy_n(c.d_out.begin() + (c.rows - 1 - r) * c.stride, c.stride,
                reversed.d_out.begin() + r * c.stride);
  }
  for (const auto& q : all_queues()) {
    const auto expected = c.run(q->queue);
    ASSERT_EQ(reversed.run(q->queue), expected) << q->name();
    Case::Sums parts;
    for (int64_t begin = 0; begin < c.rows; begin += 37)
      c.add(q->queue, begin, std::min(begin + 37, c.rows), parts);
    ASSERT_EQ(parts, expected) << q->name();
  }
}

TEST(EmbeddingBackward, AnOverflowIsReportedAndTheRestIsRight) {
  TestRandom random(3);
  TestQueue ref(Tier::kRef, 1);
  for (float bad :
       {0x1p16f, -0x1p16f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (int64_t column : {0, 17, 99}) {
      Case c(170, 7, 100, random);
      c.d_out[3 * c.stride + column] = bad;
      const auto expected = c.run(ref.queue);
      ASSERT_TRUE(expected.overflow);
      for (const auto& q : all_queues()) ASSERT_EQ(c.run(q->queue), expected) << q->name();
    }
  }
  // The buffer itself: 64 times just below 2^16 pass 2^62 units.
  Case c(65, 1, 20, random);
  std::fill(c.d_out.begin(), c.d_out.end(), -0x1.fffffep15f);
  for (const auto& q : all_queues()) {
    Case::Sums sums;
    c.add(q->queue, 0, 64, sums);
    ASSERT_FALSE(sums.overflow) << q->name();
    c.add(q->queue, 64, 65, sums);
    ASSERT_TRUE(sums.overflow) << q->name();
  }
}

// Tolerance: the sum of at most `rows` roundings to the grid, and one to fp32.
TEST(EmbeddingBackward, IsTheSumOfItsTokensGradients) {
  TestRandom random(4);
  TestQueue best(best_tier(), 2);
  const Case c(300, 5, 64, random);
  const auto sums = c.run(best.queue);
  std::vector<double> expected(sums.table.size());
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t i = 0; i < c.dim; ++i)
      expected[c.tokens[r] * c.dim + i] += static_cast<double>(c.d_out[r * c.stride + i]);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(from_grid(sums.table[i]), expected[i], 300 * 0x1p-41 + 0x1p-24 * std::abs(expected[i]));
}

}  // namespace
}  // namespace invar
