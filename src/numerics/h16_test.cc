#include "numerics/h16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace invar {
namespace {

// The one safetensors file of this test: u64 length, a JSON object of flat entries, then the data.
class Goldens {
 public:
  explicit Goldens(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    uint64_t length = 0;
    if (bytes_.size() < sizeof(length)) return;
    std::memcpy(&length, bytes_.data(), sizeof(length));
    header_ = bytes_.substr(8, length);
  }

  bool empty() const { return header_.empty(); }
  bool is_fp16(const std::string& name) const { return entry(name).find("\"F16\"") != std::string::npos; }

  std::vector<int64_t> integers(const std::string& name, const std::string& key) const {
    const std::string text = entry(name);
    size_t at = text.find('[', text.find("\"" + key + "\""));
    std::vector<int64_t> values;
    while (text[at] != ']') {
      size_t used = 0;
      values.push_back(std::stoll(text.substr(++at), &used));
      at += used;
    }
    return values;
  }

  template <class T>
  std::vector<T> values(const std::string& name) const {
    const std::vector<int64_t> range = integers(name, "data_offsets");
    std::vector<T> result((range[1] - range[0]) / sizeof(T));
    std::memcpy(result.data(), bytes_.data() + 8 + header_.size() + range[0], range[1] - range[0]);
    return result;
  }

 private:
  std::string entry(const std::string& name) const {
    const size_t begin = header_.find("\"" + name + "\":");
    return begin == std::string::npos ? "" : header_.substr(begin, header_.find('}', begin) - begin);
  }

  std::string bytes_;
  std::string header_;
};

template <class T>
int64_t differing_bits(const Goldens& goldens, const std::string& name) {
  const auto a = goldens.values<T>(name + ".a");
  const auto w = goldens.values<T>(name + ".w");
  const auto c = goldens.values<float>(name + ".c");
  const auto d = goldens.values<float>(name + ".d");
  const int64_t k = goldens.integers(name + ".a", "shape")[1];
  const int64_t n = goldens.integers(name + ".w", "shape")[0];
  int64_t differing = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    const float got = dot_h16(c[i], &a[i / n * k], &w[i % n * k], k);
    differing += std::popcount(num::as_int(got) ^ num::as_int(d[i]));
  }
  return differing;
}

TEST(H16, ReproducesEveryBitOfHopperTensorCores) {
  const Goldens goldens(INVAR_SOURCE_DIR "/tests/goldens/hopper_mma.safetensors");
  ASSERT_FALSE(goldens.empty());
  int64_t cases = 0;
  for (const char* name : {"n16", "n32", "n4096", "pos4096", "w16", "w512", "x16", "c0_16", "sub16", "specials", "fp16_64"}) {
    SCOPED_TRACE(name);
    ASSERT_FALSE(goldens.integers(std::string(name) + ".d", "shape").empty());
    const bool is_fp16 = goldens.is_fp16(std::string(name) + ".a");
    EXPECT_EQ(0, is_fp16 ? differing_bits<fp16>(goldens, name) : differing_bits<bf16>(goldens, name));
    ++cases;
  }
  EXPECT_EQ(11, cases);
}

// One term or two of bf16 powers of two (times `sign`), everything else zero.
float h16_of(int exponent_a, int exponent_w, float sign, int exponent_a1 = 0, int exponent_w1 = 0, float sign1 = 0) {
  bf16 a[16] = {};
  bf16 w[16] = {};
  a[0] = to_bf16(std::ldexp(sign, exponent_a));
  w[0] = to_bf16(std::ldexp(1.0f, exponent_w));
  a[5] = to_bf16(std::ldexp(sign1, exponent_a1));
  w[5] = to_bf16(std::ldexp(1.0f, exponent_w1));
  return h16(0.0f, a, w);
}

TEST(H16, ASumBelowTheSmallestSubnormalIsPlusZero) {
  EXPECT_EQ(num::as_int(h16_of(-100, -49, -1.0f)), 0x80000001u);
  EXPECT_EQ(num::as_int(h16_of(-100, -50, -1.0f)), 0u);
  EXPECT_EQ(num::as_int(h16_of(-126, -126, -1.0f)), 0u);
}

TEST(H16, AlignsToNothingFinerThanTwoToTheMinus158) {
  // 2^-140 - 2^-158 is below 2^-140, so its truncation loses one subnormal unit; 2^-159 is dropped before it can.
  EXPECT_EQ(num::as_int(h16_of(-70, -70, 1.0f, -79, -79, -1.0f)), 0x1ffu);
  EXPECT_EQ(num::as_int(h16_of(-70, -70, 1.0f, -79, -80, -1.0f)), 0x200u);
}

}  // namespace
}  // namespace invar
