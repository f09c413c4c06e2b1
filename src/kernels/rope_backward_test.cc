#include "kernels/rope_backward.h"

#include <gtest/gtest.h>

#include <bit>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, heads, head_dim, d_out_stride, dx_stride;
  std::vector<float> d_out, cos_sin;
  std::vector<int32_t> positions;

  Case(int64_t rows_, int64_t heads_, int64_t head_dim_, TestRandom& random)
      : rows(rows_),
        heads(heads_),
        head_dim(head_dim_),
        d_out_stride(heads_ * head_dim_ + 5),
        dx_stride(heads_ * head_dim_ + 3),
        d_out(random.normals(rows * d_out_stride)),
        cos_sin(rope_test_table(40, head_dim_)) {
    for (int64_t r = 0; r < rows; ++r) positions.push_back(static_cast<int32_t>(random.below(40)));
  }

  RopeBackwardArgs args() const {
    return {.d_out = d_out.data(),
            .d_out_stride = d_out_stride,
            .positions = positions.data(),
            .cos_sin = cos_sin.data(),
            .dx_bf16 = nullptr,
            .dx_f32 = nullptr,
            .dx_stride = dx_stride,
            .rows = rows,
            .heads = heads,
            .head_dim = head_dim};
  }
  std::vector<bf16> run_bf16(Queue& queue) const {
    std::vector<bf16> dx(static_cast<std::size_t>(rows * dx_stride), bf16{0x1234});
    RopeBackwardArgs call = args();
    call.dx_bf16 = dx.data();
    rope_backward(queue, call);
    return dx;
  }
  // The bits of the fp32 output, NaNs alike.
  std::vector<uint32_t> run_f32(Queue& queue, bool in_place = false) const {
    std::vector<float> dx = in_place ? d_out : std::vector<float>(static_cast<std::size_t>(rows * dx_stride));
    RopeBackwardArgs call = args();
    call.dx_f32 = dx.data();
    if (in_place) call.d_out = dx.data(), call.dx_stride = d_out_stride;
    rope_backward(queue, call);
    std::vector<uint32_t> bits;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < heads * head_dim; ++i) {
        const float x = dx[r * call.dx_stride + i];
        bits.push_back(x == x ? std::bit_cast<uint32_t>(x) : 0x7fffffffu);
      }
    return bits;
  }
};

TEST(RopeBackward, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> head_dims{64, 80, 96, 128, 256};
  for (int64_t half = 1; half <= 33; ++half) head_dims.push_back(2 * half);
  for (int64_t head_dim : head_dims) {
    for (int64_t rows : {1, 4, 90}) {
      Case c(rows, 3, head_dim, random);
      if (rows == 4)
        for (float& x : c.d_out) x = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
      const auto expected = c.run_bf16(ref.queue);
      const auto expected_f32 = c.run_f32(ref.queue);
      for (const auto& q : queues) {
        ASSERT_EQ(c.run_bf16(q->queue), expected) << q->name() << ", head_dim " << head_dim;
        ASSERT_EQ(c.run_f32(q->queue), expected_f32) << q->name() << ", head_dim " << head_dim;
        ASSERT_EQ(c.run_f32(q->queue, true), expected_f32) << q->name() << ", head_dim " << head_dim;
      }
    }
  }
}

TEST(RopeBackward, ARowAloneHasTheBitsItHasInABatch) {
  TestRandom random(2);
  const Case batch(9, 9, 64, random);
  for (const auto& q : all_queues()) {
    const auto together = batch.run_f32(q->queue);
    for (int64_t r = 0; r < batch.rows; ++r) {
      Case alone(1, 9, 64, random);
      alone.positions[0] = batch.positions[r];
      alone.d_out.assign(batch.d_out.begin() + r * batch.d_out_stride,
                         batch.d_out.begin() + (r + 1) * batch.d_out_stride);
      const auto row = alone.run_f32(q->queue);
      ASSERT_TRUE(std::equal(row.begin(), row.end(), together.begin() + r * 9 * 64)) << q->name();
    }
  }
}

// <d_out, R x> = <R^T d_out, x> for the rotation R in binary64. Tolerance: three fp32 roundings of terms that are at
// most |a| + |b| together, and the fp32 table, 2^-22 of them.
TEST(RopeBackward, IsTheTransposedRotationInBinary64AndLeavesWhatLiesBetweenRowsAlone) {
  TestRandom random(3);
  TestQueue ref(Tier::kRef, 1);
  const Case c(6, 2, 64, random);
  const auto bits = c.run_f32(ref.queue);
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t h = 0; h < c.heads; ++h)
      for (int64_t i = 0; i < 32; ++i) {
        const int64_t at = r * c.d_out_stride + h * 64 + i;
        const double a = c.d_out[at], b = c.d_out[at + 32];
        const double angle = c.positions[r] * std::pow(10000.0, -2.0 * static_cast<double>(i) / 64);
        const double bound = 0x1p-22 * (std::abs(a) + std::abs(b));
        const int64_t out = (r * c.heads + h) * 64 + i;
        EXPECT_NEAR(std::bit_cast<float>(bits[out]), a * std::cos(angle) + b * std::sin(angle), bound);
        EXPECT_NEAR(std::bit_cast<float>(bits[out + 32]), b * std::cos(angle) - a * std::sin(angle), bound);
      }
  const auto dx = c.run_bf16(ref.queue);
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t i = 2 * 64; i < c.dx_stride; ++i) EXPECT_EQ(dx[r * c.dx_stride + i], bf16{0x1234});
}

}  // namespace
}  // namespace invar
