#include "io/gguf_dequant.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "io/safetensors.h"

namespace invar {
namespace {

class Dequantize : public testing::TestWithParam<GgmlType> {};

TEST_P(Dequantize, EqualsGgufPyBitForBit) {
  const std::string path = INVAR_SOURCE_DIR "/tests/goldens/gguf_dequant.safetensors";
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.message();
  const GgmlBlock block = ggml_block(GetParam());
  const SafetensorsTensor& blocks = file->tensors().at(std::string(block.name) + ".blocks");
  const SafetensorsTensor& values = file->tensors().at(std::string(block.name) + ".values");
  ASSERT_EQ(blocks.shape, (std::vector<int64_t>{blocks.shape[0], block.bytes}));
  ASSERT_EQ(values.shape, (std::vector<int64_t>{blocks.shape[0], block.elements}));
  ASSERT_GE(blocks.shape[0], 12);
  std::vector<float> out(static_cast<std::size_t>(values.elements()));
  dequantize(GetParam(), blocks.data, out);
  for (std::size_t i = 0; i < out.size(); ++i) {
    uint32_t expected;
    std::memcpy(&expected, values.data.data() + 4 * i, 4);
    ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), expected) << block.name << " element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Dequantize,
                         testing::Values(GgmlType::kF32, GgmlType::kF16, GgmlType::kBF16, GgmlType::kQ8_0,
                                         GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1,
                                         GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K),
                         [](const auto& param) { return std::string(ggml_block(param.param).name); });

TEST(DequantizeDeathTest, HalfABlockIsABug) {
  std::vector<std::byte> blocks(18);
  std::vector<float> out(31);
  EXPECT_DEATH(dequantize(GgmlType::kQ4_0, blocks, out), "Q4_0: 18 bytes, 31 elements");
}

}  // namespace
}  // namespace invar
