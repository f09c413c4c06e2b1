#include "kernels/cpu/functions.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>

#include "kernels/tiers_test.h"
#include "numerics/functions.h"

namespace invar {
namespace {

// A stride over the bit patterns of all floats; INVAR_EXHAUSTIVE=1 takes every one of them.
uint64_t bit_stride() { return std::getenv("INVAR_EXHAUSTIVE") != nullptr ? 1 : 1009; }

class SimdFunctions : public ::testing::TestWithParam<Tier> {
 protected:
  const cpu::FunctionKernels& kernels() const {
    return GetParam() == Tier::kAvx2 ? cpu::kFunctionsAvx2 : cpu::kFunctionsAvx512;
  }

  // Over the floats from those of the bits `first` on.
  template <class Scalar>
  void expect_bits(void (*simd)(cpu::FloatArray, float*), const Scalar& scalar, uint64_t first = 0) {
    if (!tier_supported(GetParam())) GTEST_SKIP();
    constexpr int64_t kChunk = 4099;  // not a multiple of 16: tails take part
    std::vector<float> x, result(kChunk);
    for (uint64_t bits = first; bits < (uint64_t{1} << 32);) {
      x.clear();
      for (; bits < (uint64_t{1} << 32) && x.size() < kChunk; bits += bit_stride())
        x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
      simd({x.data(), static_cast<int64_t>(x.size())}, result.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float expected = scalar(x[i]);
        if (std::isnan(expected) && std::isnan(result[i])) continue;
        ASSERT_EQ(std::bit_cast<uint32_t>(result[i]), std::bit_cast<uint32_t>(expected)) << "of " << x[i];
      }
    }
  }
};

TEST_P(SimdFunctions, ExpIsTheBitsOfScalar) {
  expect_bits(kernels().exp, [](float x) { return num::exp(x); });
}
TEST_P(SimdFunctions, Exp2pIsTheBitsOfScalarOnItsDomain) {
  expect_bits(
      kernels().exp2p, [](float x) { return num::exp2p(x); }, 0x80000000u);  // x <= 0
}
TEST_P(SimdFunctions, LogIsTheBitsOfScalar) {
  expect_bits(kernels().log, [](float x) { return num::log(x); });
}
TEST_P(SimdFunctions, Log1pIsTheBitsOfScalar) {
  expect_bits(kernels().log1p, [](float x) { return num::log1p(x); });
}
TEST_P(SimdFunctions, SiluIsTheBitsOfScalar) {
  expect_bits(kernels().silu, [](float x) { return num::silu(x); });
}

TEST_P(SimdFunctions, Bf16StoresRoundAsScalarAndTailsWriteNoFurther) {
  if (!tier_supported(GetParam())) GTEST_SKIP();
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 32749)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t bits = 0x3f800000; bits < 0x3f800000 + 0x40000;
       bits += 0x4000)  // ties, and one to either side
    for (uint32_t step : {0x3fffu, 0x4000u, 0x4001u}) x.push_back(std::bit_cast<float>(bits + step));
  for (int64_t count :
       {static_cast<int64_t>(x.size()), int64_t{1}, int64_t{7}, int64_t{15}, int64_t{17}, int64_t{33}}) {
    std::vector<bf16> out(static_cast<std::size_t>(count) + 20, bf16{0x1234});
    kernels().to_bf16({x.data(), count}, out.data());
    for (int64_t i = 0; i < count; ++i) ASSERT_EQ(out[i], to_bf16(x[i])) << x[i];
    for (std::size_t i = static_cast<std::size_t>(count); i < out.size(); ++i)
      ASSERT_EQ(out[i], bf16{0x1234});
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, SimdFunctions, ::testing::Values(Tier::kAvx2, Tier::kAvx512),
                         [](const auto& info) { return std::string(tier_name(info.param)); });

}  // namespace
}  // namespace invar
