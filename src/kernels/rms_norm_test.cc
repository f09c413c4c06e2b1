#include "kernels/rms_norm.h"

#include <gtest/gtest.h>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

struct Shape {
  int64_t rows;
  int64_t groups;
  int64_t dim;

  int64_t elements() const { return rows * groups * dim; }
};

std::vector<Shape> shapes() {
  std::vector<Shape> out;
  for (int64_t dim = 1; dim <= 33; ++dim) out.push_back({3, 1, dim});
  for (int64_t dim : {64, 100, 128, 129, 255, 256, 257, 576, 2047, 2048, 2049, 4096, 5000})
    for (int64_t rows : {1, 7}) out.push_back({rows, 1, dim});
  for (int64_t dim : {64, 80, 128})
    for (int64_t groups : {2, 9}) out.push_back({5, groups, dim});
  out.push_back({300, 1, 576});
  return out;
}

struct Case {
  Shape shape;
  std::vector<bf16> x, residual, weight;

  Case(Shape s, TestRandom& random)
      : shape(s),
        x(random.bf16_normals(s.elements())),
        residual(random.bf16_normals(s.elements(), 3.0f)),
        weight(random.bf16_normals(s.dim)) {}
};

struct Outputs {
  std::vector<bf16> out, residual;
  friend bool operator==(const Outputs&, const Outputs&) = default;
};

Outputs run(Queue& queue, const Case& c, bool add_residual) {
  Outputs result{std::vector<bf16>(c.x.size()), c.residual};
  const int64_t stride = c.shape.groups * c.shape.dim;
  rms_norm(queue, {.x = c.x.data(),
                   .residual = add_residual ? result.residual.data() : nullptr,
                   .weight = c.weight.data(),
                   .out = result.out.data(),
                   .x_stride = stride,
                   .out_stride = stride,
                   .rows = c.shape.rows,
                   .groups = c.shape.groups,
                   .dim = c.shape.dim,
                   .eps = 1e-5f});
  return result;
}

TEST(RmsNorm, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  for (const Shape& shape : shapes()) {
    const Case c(shape, random);
    for (bool add_residual : {false, true}) {
      const Outputs expected = run(ref.queue, c, add_residual);
      for (const auto& q : queues)
        ASSERT_EQ(run(q->queue, c, add_residual), expected)
            << q->name() << ", rows " << shape.rows << ", groups " << shape.groups << ", dim " << shape.dim;
    }
  }
}

TEST(RmsNorm, SpecialValuesGiveTheBitsOfRef) {
  TestRandom random(2);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  for (int64_t dim : {7, 100, 576}) {
    Case c({40, 1, dim}, random);
    c.x = random.bf16_bits(c.shape.elements());
    c.weight = random.bf16_bits(dim);
    for (std::size_t i = 0; i < c.x.size() / 2; ++i) c.x[i].bits &= 0x80ff;  // tiny and subnormal rows
    for (bool add_residual : {false, true}) {
      const Outputs expected = run(ref.queue, c, add_residual);
      for (const auto& q : queues)
        ASSERT_EQ(run(q->queue, c, add_residual), expected) << q->name() << ", dim " << dim;
    }
  }
}

TEST(RmsNorm, ARowAloneHasTheBitsItHasInABatch) {
  TestRandom random(3);
  const auto queues = all_queues();
  const Case batch({9, 1, 576}, random);
  for (const auto& q : queues) {
    const Outputs together = run(q->queue, batch, true);
    for (int64_t r = 0; r < batch.shape.rows; ++r) {
      Case alone({1, 1, 576}, random);
      alone.weight = batch.weight;
      std::copy_n(batch.x.begin() + r * 576, 576, alone.x.begin());
      std::copy_n(batch.residual.begin() + r * 576, 576, alone.residual.begin());
      const Outputs result = run(q->queue, alone, true);
      ASSERT_TRUE(std::equal(result.out.begin(), result.out.end(), together.out.begin() + r * 576))
          << q->name();
      ASSERT_TRUE(
          std::equal(result.residual.begin(), result.residual.end(), together.residual.begin() + r * 576));
    }
  }
}

TEST(RmsNorm, WorksInPlaceAndLeavesWhatLiesBetweenRowsAlone) {
  TestRandom random(4);
  const auto queues = all_queues();
  const int64_t rows = 5, groups = 3, dim = 36, stride = 150;
  const auto x = random.bf16_normals(rows * stride);
  const auto weight = random.bf16_normals(dim);
  std::vector<bf16> expected;
  for (const auto& q : queues) {
    auto buffer = x;
    rms_norm(q->queue, {.x = buffer.data(),
                        .residual = nullptr,
                        .weight = weight.data(),
                        .out = buffer.data(),
                        .x_stride = stride,
                        .out_stride = stride,
                        .rows = rows,
                        .groups = groups,
                        .dim = dim,
                        .eps = 1e-6f});
    if (expected.empty()) expected = buffer;
    ASSERT_EQ(buffer, expected) << q->name();
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = groups * dim; i < stride; ++i) ASSERT_EQ(buffer[r * stride + i], x[r * stride + i]);
  }
  EXPECT_NE(expected, x);
}

// Tolerance: the fp32 chain is good to some 1e-5, the result is rounded to 8 bits: half an ulp is
// 2^-8 at most.
TEST(RmsNorm, AgreesWithBinary64) {
  TestRandom random(5);
  TestQueue ref(Tier::kRef, 1);
  for (int64_t dim : {1, 100, 576, 5000}) {
    const Case c({4, 1, dim}, random);
    const Outputs result = run(ref.queue, c, true);
    for (int64_t r = 0; r < 4; ++r) {
      double sum = 0;
      for (int64_t i = r * dim; i < (r + 1) * dim; ++i) {
        const double h = to_float(result.residual[i]);
        EXPECT_LE(relative_error(h, static_cast<double>(to_float(c.x[i])) + to_float(c.residual[i])),
                  0x1.01p-8);
        sum += h * h;
      }
      for (int64_t i = 0; i < dim; ++i) {
        const double h = to_float(result.residual[r * dim + i]);
        const double expected = h / std::sqrt(sum / static_cast<double>(dim) + 1e-5) * to_float(c.weight[i]);
        EXPECT_LE(relative_error(to_float(result.out[r * dim + i]), expected), 0x1.01p-8) << "dim " << dim;
      }
    }
  }
}

}  // namespace
}  // namespace invar
