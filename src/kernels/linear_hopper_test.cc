// The tiles of the profile tc16 against what H100 and H200 tensor cores computed, with accumulators other than zero.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "kernels/cpu/linear_kernels.h"
#include "kernels/linear.h"
#include "numerics/safetensors_test.h"

namespace invar {
namespace {

// acc [rows, 16] goes through the chain of `rows` rows of x and one panel, in calls of `chunk` k.
void chain(const LinearTile& tile, const LinearPackArgs& rows, const bf16* panel, int64_t chunk, float* acc) {
  Buffer<std::byte> packed(rows.rows * chunk * tile.row_bytes);
  Buffer<std::byte> expanded(chunk * tile.weight_bytes);
  for (int64_t k = 0; k < rows.k; k += chunk) {
    LinearPackArgs part = rows;
    part.x += k;
    part.k = chunk;
    part.out = packed.data();
    tile.pack_rows(part);
    tile.expand(panel + 16 * k, chunk, expanded.data());
    tile.run({.x = packed.data(),
              .weights = expanded.data(),
              .k = chunk,
              .acc = acc,
              .acc_stride = 16,
              .rows = static_cast<int>(rows.rows),
              .panels = 1,
              .first = false});
  }
}

int64_t differing_bits(const SafetensorsVectors& vectors, const std::string& name, const LinearTile& tile) {
  const auto a = vectors.values<bf16>(name + ".a");
  const auto w = vectors.values<bf16>(name + ".w");
  const auto c = vectors.values<float>(name + ".c");
  const auto d = vectors.values<float>(name + ".d");
  const int64_t m = vectors.integers(name + ".a", "shape")[0];
  const int64_t k = vectors.integers(name + ".a", "shape")[1];
  const int64_t n = vectors.integers(name + ".w", "shape")[0];
  const WeightRows block = {w.data(), n};
  const PackedWeight weight = pack_weight({&block, 1}, k);
  const int64_t chunk = k % 32 == 0 ? k / 2 : k;
  int64_t differing = 0;
  for (int64_t row = 0; row < m; row += tile.rows_max)
    for (int64_t p = 0; p < n / 16; ++p) {
      const int64_t rows = std::min<int64_t>(tile.rows_max, m - row);
      Buffer<float> acc(rows * 16);
      for (int64_t i = 0; i < rows * 16; ++i) acc[i] = c[(row + i / 16) * n + p * 16 + i % 16];
      chain(tile, {.x = &a[row * k], .x_stride = k, .k = k, .rows = rows}, weight.panel(p), chunk,
            acc.data());
      for (int64_t i = 0; i < rows * 16; ++i)
        differing += std::popcount(std::bit_cast<uint32_t>(acc[i]) ^
                                   std::bit_cast<uint32_t>(d[(row + i / 16) * n + p * 16 + i % 16]));
    }
  return differing;
}

TEST(LinearTc16, TilesReproduceEveryBitOfHopperTensorCores) {
  const SafetensorsVectors vectors(INVAR_SOURCE_DIR "/tests/goldens/hopper_mma.safetensors");
  ASSERT_FALSE(vectors.empty());
  for (const char* name :
       {"c0_16", "n16", "n32", "n4096", "pos4096", "specials", "sub16", "w16", "w512", "x16"}) {
    ASSERT_FALSE(vectors.values<float>(std::string(name) + ".d").empty()) << name;
    EXPECT_EQ(differing_bits(vectors, name, linear_tc16_avx2().many), 0) << "avx2 " << name;
    if (!tier_supported(Tier::kAvx512)) continue;
    EXPECT_EQ(differing_bits(vectors, name, linear_tc16_avx512().many), 0) << "avx512 " << name;
  }
}

}  // namespace
}  // namespace invar
