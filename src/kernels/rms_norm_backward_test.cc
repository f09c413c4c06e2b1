#include "kernels/rms_norm_backward.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/tiers.h"
#include "kernels/tiers_test.h"
#include "numerics/grid_sum.h"

namespace invar {
namespace {

constexpr float kEps = 1e-5f;

struct Shape {
  int64_t rows;
  int64_t groups;
  int64_t dim;
};

std::vector<Shape> shapes() {
  std::vector<Shape> out;
  for (int64_t dim = 1; dim <= 33; ++dim) out.push_back({3, 1, dim});
  for (int64_t dim : {64, 100, 129, 255, 256, 257, 576, 2048, 2049, 5000})
    for (int64_t rows : {1, 7}) out.push_back({rows, 1, dim});
  for (int64_t dim : {64, 80, 128})
    for (int64_t groups : {2, 9}) out.push_back({15, groups, dim});
  out.push_back({300, 1, 576});
  return out;
}

struct Case {
  Shape shape;
  int64_t stride;
  std::vector<float> d_out, residual;
  std::vector<bf16> h, weight;

  Case(Shape s, TestRandom& random)
      : shape(s),
        stride(s.groups * s.dim + 3),
        d_out(random.normals(s.rows * stride)),
        residual(random.normals(s.rows * stride)),
        h(random.bf16_normals(s.rows * stride)),
        weight(random.bf16_normals(s.dim)) {}
};

enum class Output { kF32, kAccumulate, kBf16, kInPlace };
constexpr Output kOutputs[] = {Output::kF32, Output::kAccumulate, Output::kBf16, Output::kInPlace};

uint32_t same_nan(float x) { return x == x ? std::bit_cast<uint32_t>(x) : 0x7fffffffu; }

struct Gradients {
  std::vector<uint32_t> dx;  // bits, [rows, groups * C]
  std::vector<int64_t> d_weight;
  bool overflow = false;
  friend bool operator==(const Gradients&, const Gradients&) = default;
};

// Rows [begin, end); d_weight is added to.
void run_rows(Queue& queue, const Case& c, Output output, RowRange rows, Gradients& out) {
  std::vector<float> dx = output == Output::kInPlace ? c.d_out : c.residual;
  std::vector<bf16> dx_bf16(dx.size());
  out.d_weight.resize(static_cast<std::size_t>(c.shape.dim));
  const int64_t at = rows.begin * c.stride;
  rms_norm_backward(queue, {.d_out = (output == Output::kInPlace ? dx : c.d_out).data() + at,
                            .h = c.h.data() + at,
                            .weight = c.weight.data(),
                            .dx_f32 = output == Output::kBf16 ? nullptr : dx.data() + at,
                            .dx_bf16 = output == Output::kBf16 ? dx_bf16.data() + at : nullptr,
                            .accumulate = output == Output::kAccumulate,
                            .d_weight = out.d_weight.data(),
                            .overflow = &out.overflow,
                            .d_out_stride = c.stride,
                            .h_stride = c.stride,
                            .dx_stride = c.stride,
                            .rows = rows.end - rows.begin,
                            .groups = c.shape.groups,
                            .dim = c.shape.dim,
                            .eps = kEps});
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t i = r * c.stride; i < r * c.stride + c.shape.groups * c.shape.dim; ++i)
      out.dx.push_back(output == Output::kBf16 ? dx_bf16[i].bits : same_nan(dx[i]));
}

Gradients run(Queue& queue, const Case& c, Output output) {
  Gradients out;
  run_rows(queue, c, output, {0, c.shape.rows}, out);
  return out;
}

TEST(RmsNormBackward, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  for (const Shape& shape : shapes()) {
    const Case c(shape, random);
    for (Output output : kOutputs) {
      const Gradients expected = run(ref.queue, c, output);
      ASSERT_FALSE(expected.overflow);
      for (const auto& q : queues)
        ASSERT_EQ(run(q->queue, c, output), expected)
            << q->name() << ", rows " << shape.rows << ", groups " << shape.groups << ", dim " << shape.dim;
    }
  }
}

TEST(RmsNormBackward, SpecialValuesGiveTheBitsOfRef) {
  TestRandom random(2);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  for (int64_t dim : {7, 100, 576}) {
    Case c({40, 1, dim}, random);
    c.h = random.bf16_bits(static_cast<int64_t>(c.h.size()));
    c.weight = random.bf16_bits(dim);
    for (std::size_t i = 0; i < c.h.size() / 2; ++i) c.h[i].bits &= 0x80ff;  // tiny and subnormal rows
    for (float& x : c.d_out) x = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    for (Output output : kOutputs) {
      const Gradients expected = run(ref.queue, c, output);
      ASSERT_TRUE(expected.overflow);
      for (const auto& q : queues)
        ASSERT_EQ(run(q->queue, c, output), expected) << q->name() << ", dim " << dim;
    }
  }
}

TEST(RmsNormBackward, TheCutIntoCallsChangesNoBit) {
  TestRandom random(3);
  const Case c({90, 2, 80}, random);
  for (const auto& q : all_queues())
    for (Output output : kOutputs) {
      const Gradients whole = run(q->queue, c, output);
      for (int64_t step : {1, 7, 64}) {
        Gradients parts;
        for (int64_t r = 0; r < c.shape.rows; r += step)
          run_rows(q->queue, c, output, {r, std::min(r + step, c.shape.rows)}, parts);
        ASSERT_EQ(parts, whole) << q->name() << ", step " << step;
      }
    }
}

TEST(RmsNormBackward, AGainsOverflowIsReportedFromEveryRow) {
  TestRandom random(4);
  const int64_t rows = 100;
  for (int64_t row : {int64_t{0}, int64_t{57}, rows - 1}) {
    Case c({rows, 1, 200}, random);
    for (int64_t i = 0; i < 200; ++i) c.d_out[row * c.stride + i] = 1e6f;
    for (const auto& q : all_queues()) ASSERT_TRUE(run(q->queue, c, Output::kF32).overflow) << q->name();
  }
}

// Against central differences of the binary64 norm, contracted with d_out. Tolerance: the difference quotient is good
// to 1e-7 of sum |d_out w|; fp32 adds some 2^-20 of the terms of dx, at most rstd (|p| + |n| mean |p n|).
TEST(RmsNormBackward, IsTheDerivativeOfTheNormInBinary64) {
  TestRandom random(5);
  TestQueue best(best_tier(), 2);
  for (int64_t dim : {1, 5, 64, 100}) {
    const Case c({3, 2, dim}, random);
    const Gradients found = run(best.queue, c, Output::kF32);
    std::vector<double> d_weight(static_cast<std::size_t>(dim));
    for (int64_t v = 0; v < 6; ++v) {
      const int64_t at = v / 2 * c.stride + v % 2 * dim;
      std::vector<double> h(static_cast<std::size_t>(dim));
      for (int64_t i = 0; i < dim; ++i) h[i] = to_float(c.h[at + i]);
      const auto norm = [&](int64_t moved, double step, int64_t i) {
        double squares = 0;
        for (int64_t k = 0; k < dim; ++k) squares += std::pow(h[k] + (k == moved ? step : 0), 2);
        return (h[i] + (i == moved ? step : 0)) / std::sqrt(squares / static_cast<double>(dim) + kEps);
      };
      for (int64_t moved = 0; moved < dim; ++moved) {
        constexpr double kStep = 0x1p-16;
        double expected = 0, size = 0;
        for (int64_t i = 0; i < dim; ++i) {
          const double p = static_cast<double>(c.d_out[at + i]) * to_float(c.weight[i]);
          expected += p * (norm(moved, kStep, i) - norm(moved, -kStep, i)) / (2 * kStep);
          size += std::abs(p);
        }
        const float dx = std::bit_cast<float>(found.dx[v * dim + moved]);
        const double rstd = norm(-1, 0, moved) / h[moved];
        EXPECT_NEAR(dx, expected, 1e-6 * size * std::abs(rstd)) << "dim " << dim << ", vector " << v;
        d_weight[moved] += static_cast<double>(c.d_out[at + moved]) * norm(-1, 0, moved);
      }
    }
    for (int64_t i = 0; i < dim; ++i)  // six values of a few units, each good to 2^-22
      EXPECT_NEAR(from_grid(found.d_weight[i]), d_weight[i], 6 * 8 * 0x1p-22);
  }
}

}  // namespace
}  // namespace invar
