// The tiles of the profile tc16 against what H100 and H200 tensor cores computed, with accumulators other than zero.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/cpu/linear_kernels.h"
#include "kernels/linear.h"

namespace invar {
namespace {

// The one safetensors file of this test: u64 length, a JSON object of flat entries, then the data.
class Vectors {
 public:
  Vectors() {
    std::ifstream file(INVAR_SOURCE_DIR "/tests/goldens/hopper_mma.safetensors", std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    uint64_t length = 0;
    if (bytes_.size() < sizeof(length)) return;
    std::memcpy(&length, bytes_.data(), sizeof(length));
    header_ = bytes_.substr(8, length);
  }

  bool empty() const { return header_.empty(); }

  // The integers of a list in the entry of a tensor.
  std::vector<int64_t> list(const std::string& tensor, const std::string& key) const {
    const size_t entry = header_.find("\"" + tensor + "\":");
    size_t at = header_.find('[', header_.find("\"" + key + "\"", entry));
    std::vector<int64_t> values;
    while (header_[at] != ']') {
      size_t used = 0;
      values.push_back(std::stoll(header_.substr(++at), &used));
      at += used;
    }
    return values;
  }

  template <class T>
  std::vector<T> values(const std::string& tensor) const {
    const std::vector<int64_t> range = list(tensor, "data_offsets");
    std::vector<T> result(static_cast<size_t>(range[1] - range[0]) / sizeof(T));
    std::memcpy(result.data(), bytes_.data() + 8 + header_.size() + range[0], result.size() * sizeof(T));
    return result;
  }

 private:
  std::string bytes_;
  std::string header_;
};

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

int64_t differing_bits(const Vectors& vectors, const std::string& name, const LinearTile& tile) {
  const auto a = vectors.values<bf16>(name + ".a");
  const auto w = vectors.values<bf16>(name + ".w");
  const auto c = vectors.values<float>(name + ".c");
  const auto d = vectors.values<float>(name + ".d");
  const int64_t m = vectors.list(name + ".a", "shape")[0];
  const int64_t k = vectors.list(name + ".a", "shape")[1];
  const int64_t n = vectors.list(name + ".w", "shape")[0];
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
  const Vectors vectors;
  ASSERT_FALSE(vectors.empty());
  for (const char* name :
       {"c0_16", "n16", "n32", "n4096", "pos4096", "specials", "sub16", "w16", "w512", "x16"}) {
    EXPECT_EQ(differing_bits(vectors, name, linear_tc16_avx2().many), 0) << "avx2 " << name;
    if (!tier_supported(Tier::kAvx512)) continue;
    EXPECT_EQ(differing_bits(vectors, name, linear_tc16_avx512().many), 0) << "avx512 " << name;
  }
}

}  // namespace
}  // namespace invar
