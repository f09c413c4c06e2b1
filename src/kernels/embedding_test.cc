#include "kernels/embedding.h"

#include <gtest/gtest.h>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

TEST(Embedding, CopiesTheRowOfEachTokenOnEveryTierAndThreadCount) {
  TestRandom random(1);
  const auto queues = all_queues();
  std::vector<int64_t> dims{64, 100, 576};
  for (int64_t dim = 1; dim <= 33; ++dim) dims.push_back(dim);
  for (int64_t dim : dims) {
    const int64_t vocab = 50;
    const auto table = random.bf16_bits(vocab * dim);
    for (int64_t rows : {0, 1, 2, 5, 300}) {
      std::vector<int32_t> tokens(static_cast<std::size_t>(rows));
      for (int32_t& token : tokens) token = static_cast<int32_t>(random.below(vocab));
      if (rows > 1) tokens[0] = 0, tokens[1] = static_cast<int32_t>(vocab - 1);
      for (const auto& q : queues) {
        const bf16 guard{0x1234};
        std::vector<bf16> out(static_cast<std::size_t>(rows * dim + 1), guard);
        embedding(q->queue, {.table = table.data(),
                             .tokens = tokens.data(),
                             .out = out.data(),
                             .rows = rows,
                             .vocab = vocab,
                             .dim = dim});
        for (int64_t r = 0; r < rows; ++r)
          ASSERT_TRUE(
              std::equal(out.begin() + r * dim, out.begin() + (r + 1) * dim, table.begin() + tokens[r] * dim))
              << q->name() << ", dim " << dim << ", row " << r;
        ASSERT_EQ(out.back(), guard);
      }
    }
  }
}

TEST(EmbeddingDeathTest, RefusesATokenBeyondTheTable) {
  TestQueue ref(Tier::kRef, 1);
  const std::vector<bf16> table(8);
  std::vector<bf16> out(4);
  const int32_t token = 2;
  EXPECT_DEATH(
      embedding(
          ref.queue,
          {.table = table.data(), .tokens = &token, .out = out.data(), .rows = 1, .vocab = 2, .dim = 4}),
      "tokens\\[0\\] = 2, vocab = 2");
}

}  // namespace
}  // namespace invar
