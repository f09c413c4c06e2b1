#include "tensor/convert.h"

#include <gtest/gtest.h>
#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace invar {
namespace {

TEST(Convert, EveryF16EqualsTheCpusOwnConversion) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    float ours = 0;
    convert_to_f32(DType::kF16, std::as_bytes(std::span(&half, 1)), {&ours, 1});
    const float cpus = _cvtsh_ss(static_cast<uint16_t>(bits));
    if (std::isnan(cpus)) {
      ASSERT_TRUE(std::isnan(ours)) << bits;  // the instruction quiets signalling NaNs, we keep them
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(ours), std::bit_cast<uint32_t>(cpus)) << bits;
    }
  }
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

TEST(Convert, F32IsRoundedOnceToNearestEven) {
  const std::vector<float> in = {1.0f, -0.0f, 1.00390625f, 1.01171875f, 3.4e38f, 1e-40f, INFINITY, NAN};
  const std::vector<uint16_t> expected = {0x3f80, 0x8000, 0x3f80, 0x3f82, 0x7f80, 0x0001, 0x7f80, 0x7fff};
  std::vector<bf16> out(in.size()), rounded(in.size());
  convert_to_bf16(DType::kF32, bytes_of(in), out);
  round_to_bf16(in, rounded);
  for (std::size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(out[i].bits, expected[i]) << in[i];
    EXPECT_EQ(rounded[i].bits, expected[i]) << in[i];
  }
}

TEST(Convert, NarrowTypesWidenExactlyAndBf16IsCopied) {
  const std::vector<uint16_t> f16 = {0x3c00, 0x0001, 0xc000, 0x3c01};
  std::vector<float> wide(4);
  convert_to_f32(DType::kF16, bytes_of(f16), wide);
  EXPECT_EQ(wide, (std::vector<float>{1.0f, 0x1p-24f, -2.0f, 1.0f + 0x1p-10f}));
  std::vector<bf16> narrow(4);
  convert_to_bf16(DType::kF16, bytes_of(f16), narrow);
  EXPECT_EQ(narrow[3].bits, 0x3f80);
  const std::vector<uint16_t> raw = {0x3f80, 0x7f81, 0x8001, 0xffff};
  convert_to_bf16(DType::kBF16, bytes_of(raw), narrow);
  for (std::size_t i = 0; i < raw.size(); ++i) EXPECT_EQ(narrow[i].bits, raw[i]);
  convert_to_f32(DType::kBF16, bytes_of(raw), wide);
  for (std::size_t i = 0; i < raw.size(); ++i) EXPECT_EQ(std::bit_cast<uint32_t>(wide[i]), raw[i] * 65536u);
}

TEST(Convert, UnalignedBytesAreFine) {
  std::vector<std::byte> bytes(9);
  const float value = 1.5f;
  std::memcpy(bytes.data() + 1, &value, 4);
  std::memcpy(bytes.data() + 5, &value, 4);
  std::vector<float> out(2);
  convert_to_f32(DType::kF32, std::span<const std::byte>(bytes).subspan(1), out);
  EXPECT_EQ(out, (std::vector<float>{1.5f, 1.5f}));
}

}  // namespace
}  // namespace invar
