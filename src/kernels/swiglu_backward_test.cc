#include "kernels/swiglu_backward.h"

#include <gtest/gtest.h>

#include "kernels/swiglu_testing.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, ffn_dim, d_out_stride, in_stride, out_stride;
  std::vector<float> d_out;
  std::vector<bf16> gate_up;

  Case(int64_t rows_, int64_t ffn_dim_, TestRandom& random)
      : rows(rows_),
        ffn_dim(ffn_dim_),
        d_out_stride(ffn_dim_ + 2),
        in_stride(2 * ffn_dim_ + 3),
        out_stride(2 * ffn_dim_ + 1),
        d_out(random.normals(rows * d_out_stride)),
        gate_up(random.bf16_normals(rows * in_stride, 4.0f)) {}

  std::vector<bf16> run(Queue& queue) const {
    std::vector<bf16> out(static_cast<std::size_t>(rows * out_stride), bf16{0x1234});
    swiglu_backward(queue, {.d_out = d_out.data(),
                            .gate_up = gate_up.data(),
                            .d_gate_up = out.data(),
                            .d_out_stride = d_out_stride,
                            .in_stride = in_stride,
                            .out_stride = out_stride,
                            .rows = rows,
                            .ffn_dim = ffn_dim});
    return out;
  }
};

TEST(SwigluBackward, EveryTierAndThreadCountGivesTheBitsOfRef) {
  expect_every_tier_and_thread_count_gives_the_bits_of_ref<Case>();
}

TEST(SwigluBackward, EveryGateGivesTheBitsOfRef) { expect_every_gate_gives_the_bits_of_ref<Case>(); }

TEST(SwigluBackward, WorksInPlaceAndARowAloneHasTheBitsItHasInABatch) {
  TestRandom random(3);
  const Case batch(20, 1536, random);
  for (const auto& q : all_queues()) {
    const auto together = batch.run(q->queue);
    for (int64_t r = 0; r < batch.rows; ++r) {
      std::vector<bf16> row(batch.gate_up.begin() + r * batch.in_stride,
                            batch.gate_up.begin() + (r + 1) * batch.in_stride);
      swiglu_backward(q->queue, {.d_out = batch.d_out.data() + r * batch.d_out_stride,
                                 .gate_up = row.data(),
                                 .d_gate_up = row.data(),
                                 .d_out_stride = batch.d_out_stride,
                                 .in_stride = batch.in_stride,
                                 .out_stride = batch.in_stride,
                                 .rows = 1,
                                 .ffn_dim = batch.ffn_dim});
      ASSERT_TRUE(
          std::equal(row.begin(), row.begin() + 2 * batch.ffn_dim, together.begin() + r * batch.out_stride))
          << q->name();
    }
  }
}

// Against central differences of the binary64 function, whose own error is below 1e-8 here. Tolerance: half a bf16
// ulp of the result and, where gate's derivative passes through zero, a few fp32 roundings of its terms, 2^-21 of
// |d_out up|.
TEST(SwigluBackward, IsTheDerivativeOfSwigluInBinary64) {
  TestRandom random(4);
  TestQueue ref(Tier::kRef, 1);
  const Case c(4, 100, random);
  const auto out = c.run(ref.queue);
  const auto f = [](double gate, double up) { return gate / (1 + std::exp(-gate)) * up; };
  constexpr double kStep = 0x1p-14;
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t i = 0; i < c.ffn_dim; ++i) {
      const double d = c.d_out[r * c.d_out_stride + i];
      const double gate = to_float(c.gate_up[r * c.in_stride + i]);
      const double up = to_float(c.gate_up[r * c.in_stride + c.ffn_dim + i]);
      const double d_gate = d * (f(gate + kStep, up) - f(gate - kStep, up)) / (2 * kStep);
      const double d_up = d * f(gate, 1.0);
      EXPECT_NEAR(to_float(out[r * c.out_stride + i]), d_gate,
                  0x1.01p-8 * std::abs(d_gate) + 0x1p-21 * std::abs(d * up));
      EXPECT_NEAR(to_float(out[r * c.out_stride + c.ffn_dim + i]), d_up, 0x1.01p-8 * std::abs(d_up) + 1e-30);
    }
    EXPECT_EQ(out[r * c.out_stride + 2 * c.ffn_dim], bf16{0x1234});
  }
}

}  // namespace
}  // namespace invar
