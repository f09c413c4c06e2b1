#include "kernels/swiglu.h"

#include <gtest/gtest.h>

#include "kernels/swiglu_testing.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, ffn_dim, in_stride, out_stride;
  std::vector<bf16> gate_up;

  Case(int64_t rows_, int64_t ffn_dim_, TestRandom& random)
      : rows(rows_),
        ffn_dim(ffn_dim_),
        in_stride(2 * ffn_dim_ + 3),
        out_stride(ffn_dim_ + 1),
        gate_up(random.bf16_normals(rows * in_stride, 4.0f)) {}

  std::vector<bf16> run(Queue& queue) const {
    std::vector<bf16> out(static_cast<std::size_t>(rows * out_stride), bf16{0x1234});
    swiglu(queue, {.gate_up = gate_up.data(),
                   .out = out.data(),
                   .in_stride = in_stride,
                   .out_stride = out_stride,
                   .rows = rows,
                   .ffn_dim = ffn_dim});
    return out;
  }
};

TEST(Swiglu, EveryTierAndThreadCountGivesTheBitsOfRef) {
  expect_every_tier_and_thread_count_gives_the_bits_of_ref<Case>();
}

TEST(Swiglu, EveryGateGivesTheBitsOfRef) { expect_every_gate_gives_the_bits_of_ref<Case>(); }

TEST(Swiglu, ARowAloneHasTheBitsItHasInABatch) {
  TestRandom random(3);
  const Case batch(20, 1536, random);
  for (const auto& q : all_queues()) {
    const auto together = batch.run(q->queue);
    for (int64_t r = 0; r < batch.rows; ++r) {
      Case alone(1, 1536, random);
      alone.gate_up.assign(batch.gate_up.begin() + r * batch.in_stride,
                           batch.gate_up.begin() + (r + 1) * batch.in_stride);
      const auto row = alone.run(q->queue);
      ASSERT_TRUE(std::equal(row.begin(), row.end(), together.begin() + r * batch.out_stride)) << q->name();
    }
  }
}

// Tolerance: half a bf16 ulp, and the few fp32 roundings of silu.
TEST(Swiglu, AgreesWithBinary64) {
  TestRandom random(4);
  TestQueue ref(Tier::kRef, 1);
  const Case c(4, 100, random);
  const auto out = c.run(ref.queue);
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t f = 0; f < c.ffn_dim; ++f) {
      const double gate = to_float(c.gate_up[r * c.in_stride + f]);
      const double up = to_float(c.gate_up[r * c.in_stride + c.ffn_dim + f]);
      EXPECT_LE(relative_error(to_float(out[r * c.out_stride + f]), gate / (1 + std::exp(-gate)) * up),
                0x1.01p-8);
    }
    EXPECT_EQ(out[r * c.out_stride + c.ffn_dim], bf16{0x1234});
  }
}

}  // namespace
}  // namespace invar
