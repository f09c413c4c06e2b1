#include "kernels/pack_transposed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <vector>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20241015;

PackedWeight packed(const std::vector<bf16>& rows, int64_t n, int64_t k) {
  const WeightRows block = {rows.data(), n};
  return pack_weight({&block, 1}, k);
}

std::vector<bf16> transposed(const std::vector<bf16>& rows, int64_t n, int64_t k) {
  std::vector<bf16> out(rows.size());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) out[j * n + i] = rows[i * k + j];
  return out;
}

TEST(PackTransposed, IsPackWeightOfTheTransposeAtEveryShapeAndNumberOfThreads) {
  std::printf("seed %lu\n", kSeed);
  TestRandom random(kSeed);
  for (const int64_t n : {1, 15, 16, 17, 40, 100, 193})
    for (const int64_t k : {1, 2, 15, 16, 17, 31, 64, 150}) {
      const std::vector<bf16> rows = random.bf16_bits(n * k);
      const PackedWeight weight = packed(rows, n, k);
      const PackedWeight expected = packed(transposed(rows, n, k), k, n);
      for (const int threads : {1, 2, 3, 5}) {
        ThreadPool pool(threads);
        PackedWeight found = packed_zeros(k, n);
        std::ranges::fill(found.data.span(), bf16{0x7fff});  // of the step before
        pack_transposed(weight, found, pool);
        ASSERT_TRUE(std::ranges::equal(expected.data.span(), found.data.span()))
            << n << " " << k << " " << threads;
        PackedWeight back = packed_zeros(n, k);
        pack_transposed(found, back, pool);
        ASSERT_TRUE(std::ranges::equal(weight.data.span(), back.data.span()))
            << n << " " << k << " " << threads;
      }
    }
}

// dx[t, k] = sum_n dy[t, n] W[n, k]: the chain over ascending n.
TEST(PackTransposed, LinearOfItIsTheGradientOfTheInput) {
  const int64_t tokens = 5, n = 40, k = 23;
  TestRandom random(kSeed);
  const std::vector<bf16> rows = random.bf16_normals(n * k), dy = random.bf16_normals(tokens * n);
  const PackedWeight weight = packed(rows, n, k);
  for (const auto& test_queue : all_queues()) {
    PackedWeight backward = packed_zeros(k, n);
    pack_transposed(weight, backward, test_queue->pool);
    std::vector<float> dx(static_cast<size_t>(tokens * k));
    linear(test_queue->queue, {.x = dy.data(),
                               .x_stride = n,
                               .weight = &backward,
                               .bias = nullptr,
                               .out_bf16 = nullptr,
                               .out_f32 = dx.data(),
                               .out_stride = k,
                               .rows = tokens});
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t j = 0; j < k; ++j) {
        double sum = 0, magnitude = 0;
        for (int64_t i = 0; i < n; ++i) {
          const double product = static_cast<double>(to_float(dy[t * n + i])) * to_float(rows[i * k + j]);
          sum += product;
          magnitude += std::abs(product);
        }
        EXPECT_NEAR(dx[t * k + j], sum, 40 * 0x1p-24 * magnitude) << test_queue->name();
      }
  }
}

TEST(PackTransposedDeathTest, AnotherShapeIsRefused) {
  ThreadPool pool(1);
  const PackedWeight weight = packed_zeros(3, 20);
  PackedWeight out = packed_zeros(3, 20);
  EXPECT_DEATH(pack_transposed(weight, out, pool), "out is \\[3, 20\\], weight \\[3, 20\\]");
}

}  // namespace
}  // namespace invar
