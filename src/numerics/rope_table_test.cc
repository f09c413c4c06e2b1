#include "numerics/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "numerics/exhaustive_test.h"
#include "numerics/scalar.h"

namespace invar {
namespace {

struct NamedConfig {
  const char* name;
  int64_t dim;
  RopeConfig config;
};

// Keep in step with tools/oracle/rope_inv_freq.py.
const NamedConfig kConfigs[] = {
    {"smollm2", 64, {.theta = 10000}},
    {"qwen3", 128, {.theta = 1000000}},
    {"linear", 96, {.theta = 10000, .scaling = RopeScaling::kLinear, .factor = 4}},
    {"llama3_8b",
     128,
     {.theta = 500000, .scaling = RopeScaling::kLlama3, .factor = 8, .original_max_position = 8192}},
    {"llama3_1b",
     64,
     {.theta = 500000, .scaling = RopeScaling::kLlama3, .factor = 32, .original_max_position = 8192}},
    {"qwen3_yarn",
     128,
     {.theta = 1000000, .scaling = RopeScaling::kYarn, .factor = 4, .original_max_position = 32768}},
    {"deepseek_yarn",
     64,
     {.theta = 10000,
      .scaling = RopeScaling::kYarn,
      .factor = 40,
      .original_max_position = 4096,
      .mscale = 1,
      .mscale_all_dim = 0.707}},
    {"yarn_no_truncate",
     64,
     {.theta = 150000,
      .scaling = RopeScaling::kYarn,
      .factor = 32,
      .original_max_position = 4096,
      .truncate = false}},
};

// One value of the golden file: exact and rounded once, and as transformers has it.
struct Golden {
  float exact;
  float transformers;
};

// The attention factor, then inv_freq; empty if the case is not in the file.
std::vector<Golden> read_golden(const std::string& name) {
  std::ifstream file(INVAR_SOURCE_DIR "/tests/goldens/rope_inv_freq.txt");
  std::vector<Golden> values;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("case " + name + " ")) continue;
    while (std::getline(file, line) && !line.starts_with("case")) {
      const auto bits = [&](size_t at) {
        return static_cast<uint32_t>(std::stoul(line.substr(at, 8), nullptr, 16));
      };
      values.push_back({num::as_float(bits(0)), num::as_float(bits(9))});
    }
  }
  return values;
}

int64_t ulps_apart(float a, float b) {
  return std::llabs(static_cast<int64_t>(num::as_int(a)) - static_cast<int64_t>(num::as_int(b)));
}

TEST(RopeTable, FrequenciesAreTheExactOnesRoundedOnce) {
  for (const NamedConfig& named : kConfigs) {
    SCOPED_TRACE(named.name);
    const auto frequencies = rope_frequencies(named.config, named.dim);
    ASSERT_TRUE(frequencies.ok());
    const std::vector<Golden> golden = read_golden(named.name);
    ASSERT_EQ(frequencies.value().inv_freq.size() + 1, golden.size());
    EXPECT_EQ(golden[0].exact, frequencies.value().attention_factor);
    for (size_t i = 1; i < golden.size(); ++i)
      EXPECT_EQ(golden[i].exact, frequencies.value().inv_freq[i - 1]) << i - 1;
  }
}

// transformers computes in fp32: a power, a division and, where frequencies are scaled, a few operations
// more.
TEST(RopeTable, FrequenciesAreThoseOfTransformersUpToItsRounding) {
  for (const NamedConfig& named : kConfigs) {
    SCOPED_TRACE(named.name);
    const auto frequencies = rope_frequencies(named.config, named.dim);
    const std::vector<Golden> golden = read_golden(named.name);
    ASSERT_EQ(frequencies.value().inv_freq.size() + 1, golden.size());
    EXPECT_EQ(golden[0].transformers, frequencies.value().attention_factor);
    for (size_t i = 1; i < golden.size(); ++i)
      EXPECT_LE(ulps_apart(golden[i].transformers, frequencies.value().inv_freq[i - 1]), 3) << i - 1;
  }
}

TEST(RopeTable, HoldsForEachPositionTheCosinesThenTheSines) {
  for (const NamedConfig& named : kConfigs) {
    SCOPED_TRACE(named.name);
    const RopeFrequencies frequencies = rope_frequencies(named.config, named.dim).value();
    const int64_t half = named.dim / 2;
    const int64_t positions = 513;
    std::vector<float> table(positions * 2 * half);
    rope_table(frequencies, positions, table.data());
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(p) * frequencies.inv_freq[i];
        const float cosine = static_cast<float>(std::cos(static_cast<double>(angle)));
        const float sine = static_cast<float>(std::sin(static_cast<double>(angle)));
        ASSERT_EQ(cosine * frequencies.attention_factor, table[(p * 2) * half + i]) << p << " " << i;
        ASSERT_EQ(sine * frequencies.attention_factor, table[(p * 2 + 1) * half + i]) << p << " " << i;
      }
  }
}

TEST(RopeTable, ImpossibleParametersAreErrorsThatNameThem) {
  const auto message = [](int64_t dim, const RopeConfig& config) {
    const auto result = rope_frequencies(config, dim);
    return result.ok() ? std::string("no error") : result.message();
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(message(63, {.theta = 10000}).find("found 63"), std::string::npos);
  EXPECT_NE(message(64, {.theta = 1}).find("rope_theta"), std::string::npos);
  EXPECT_NE(message(64, {.theta = nan}).find("rope_theta"), std::string::npos);
  EXPECT_NE(message(64, {.theta = 1e4, .scaling = RopeScaling::kLinear, .factor = 0}).find("factor"),
            std::string::npos);
  EXPECT_NE(message(64, {.theta = 1e4, .scaling = RopeScaling::kYarn, .factor = 2}).find("original_max"),
            std::string::npos);
  EXPECT_NE(message(64, {.theta = 1e4,
                         .scaling = RopeScaling::kLlama3,
                         .factor = 2,
                         .original_max_position = 8192,
                         .low_freq_factor = 4,
                         .high_freq_factor = 4})
                .find("low_freq_factor"),
            std::string::npos);
}

}  // namespace
}  // namespace invar
