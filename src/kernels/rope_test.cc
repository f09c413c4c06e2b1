#include "kernels/rope.h"

#include <gtest/gtest.h>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, heads, head_dim, stride;
  std::vector<bf16> x;
  std::vector<int32_t> positions;
  std::vector<float> cos_sin;

  Case(int64_t rows_, int64_t heads_, int64_t head_dim_, TestRandom& random)
      : rows(rows_),
        heads(heads_),
        head_dim(head_dim_),
        stride(heads_ * head_dim_ + 5),
        x(random.bf16_normals(rows * stride)),
        cos_sin(rope_test_table(40, head_dim_)) {
    for (int64_t r = 0; r < rows; ++r) positions.push_back(static_cast<int32_t>(random.below(40)));
  }

  std::vector<bf16> run(Queue& queue) const {
    auto out = x;
    rope(queue, {.x = out.data(),
                 .x_stride = stride,
                 .positions = positions.data(),
                 .cos_sin = cos_sin.data(),
                 .rows = rows,
                 .heads = heads,
                 .head_dim = head_dim});
    return out;
  }
};

TEST(Rope, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> head_dims{64, 80, 96, 128, 256};
  for (int64_t half = 1; half <= 33; ++half) head_dims.push_back(2 * half);
  for (int64_t head_dim : head_dims) {
    for (int64_t rows : {1, 4, 90}) {
      Case c(rows, 3, head_dim, random);
      if (rows == 4) c.x = random.bf16_bits(static_cast<int64_t>(c.x.size()));
      const auto expected = c.run(ref.queue);
      for (const auto& q : queues)
        ASSERT_EQ(c.run(q->queue), expected) << q->name() << ", head_dim " << head_dim << ", rows " << rows;
    }
  }
}

TEST(Rope, ARowAloneHasTheBitsItHasInABatch) {
  TestRandom random(2);
  const Case batch(9, 9, 64, random);
  for (const auto& q : all_queues()) {
    const auto together = batch.run(q->queue);
    for (int64_t r = 0; r < batch.rows; ++r) {
      Case alone(1, 9, 64, random);
      alone.positions[0] = batch.positions[r];
      alone.x.assign(batch.x.begin() + r * batch.stride, batch.x.begin() + (r + 1) * batch.stride);
      const auto row = alone.run(q->queue);
      ASSERT_TRUE(std::equal(row.begin(), row.end(), together.begin() + r * batch.stride)) << q->name();
    }
  }
}

// Tolerance: half a bf16 ulp of a result that is at most |a| + |b|, and the fp32 table.
TEST(Rope, RotatesPairsAsInBinary64AndLeavesWhatLiesBetweenRowsAlone) {
  TestRandom random(3);
  TestQueue ref(Tier::kRef, 1);
  const Case c(6, 2, 64, random);
  const auto out = c.run(ref.queue);
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t h = 0; h < c.heads; ++h) {
      for (int64_t i = 0; i < 32; ++i) {
        const int64_t at = r * c.stride + h * 64 + i;
        const double a = to_float(c.x[at]), b = to_float(c.x[at + 32]);
        const double angle = c.positions[r] * std::pow(10000.0, -2.0 * static_cast<double>(i) / 64);
        const double bound = 0x1.01p-9 * (std::abs(a) + std::abs(b)) * 2;
        EXPECT_NEAR(to_float(out[at]), a * std::cos(angle) - b * std::sin(angle), bound);
        EXPECT_NEAR(to_float(out[at + 32]), b * std::cos(angle) + a * std::sin(angle), bound);
      }
    }
    for (int64_t i = 2 * 64; i < c.stride; ++i) EXPECT_EQ(out[r * c.stride + i], c.x[r * c.stride + i]);
  }
}

}  // namespace
}  // namespace invar
