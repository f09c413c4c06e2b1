#include "sampling/sampling_params.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "numerics/philox.h"

namespace invar {
namespace {

constexpr int64_t kVocab = 100;
const float kNaN = std::numeric_limits<float>::quiet_NaN();

std::string complaint(const SamplingParams& params) {
  const Status status = validate(params, kVocab);
  return status.ok() ? "" : status.message();
}

TEST(SamplingParams, DefaultsAndExtremesOfEveryRangeAreValid) {
  EXPECT_EQ(complaint({}), "");
  EXPECT_EQ(complaint({.temperature = 0.0f,
                       .top_k = -1,
                       .top_p = 1e-30f,
                       .min_p = 1.0f,
                       .repetition_penalty = 10.0f,
                       .presence_penalty = -2.0f,
                       .frequency_penalty = 2.0f,
                       .logit_bias = {{99, -100.0f}, {0, 100.0f}},
                       .n = 65536,
                       .max_tokens = 5,
                       .min_tokens = 5,
                       .stop = {"a"},
                       .stop_token_ids = {0, 99}}),
            "");
}

TEST(SamplingParams, EveryParameterOutsideItsRangeIsNamedWithWhatWasExpectedAndFound) {
  const auto infinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<SamplingParams, std::string>> cases{
      {{.temperature = kNaN},
       "temperature: expected 0 (the likeliest token) or a finite number of at least 1e-5, found "
       "nan"},
      {{.temperature = -0.5f}, "temperature:"},
      {{.temperature = 1e-6f}, "temperature:"},
      {{.temperature = infinity}, "temperature:"},
      {{.top_k = -2}, "top_k: expected -1 or 0 (all tokens) or a count of at least 1, found -2"},
      {{.top_p = 0.0f}, "top_p: expected a number above 0 and up to 1 (all tokens), found 0"},
      {{.top_p = 1.5f}, "top_p:"},
      {{.top_p = kNaN}, "top_p:"},
      {{.min_p = -0.1f}, "min_p:"},
      {{.min_p = kNaN}, "min_p:"},
      {{.repetition_penalty = 0.0f}, "repetition_penalty:"},
      {{.repetition_penalty = kNaN}, "repetition_penalty:"},
      {{.presence_penalty = 2.5f}, "presence_penalty:"},
      {{.frequency_penalty = -2.5f}, "frequency_penalty:"},
      {{.logit_bias = {{100, 1.0f}}}, "logit_bias: expected token ids from 0 to 99, found 100"},
      {{.logit_bias = {{-1, 1.0f}}}, "logit_bias:"},
      {{.logit_bias = {{5, -infinity}}},
       "logit_bias: expected numbers from -100 to 100, found -inf for token 5"},
      {{.logit_bias = {{5, 1.0f}, {4, 1.0f}, {5, 2.0f}}},
       "logit_bias: expected each token once, found token 5 twice"},
      {{.n = 0}, "n: expected 1 to 65536 samples, found 0"},
      {{.n = 65537}, "n:"},
      {{.max_tokens = -1}, "max_tokens:"},
      {{.max_tokens = 4, .min_tokens = 5}, "min_tokens: expected 0 to max_tokens = 4, found 5"},
      {{.min_tokens = -1}, "min_tokens:"},
      {{.stop = {"x", ""}}, "stop:"},
      {{.stop_token_ids = {100}}, "stop_token_ids: expected token ids from 0 to 99, found 100"},
  };
  for (const auto& [params, expected] : cases) {
    const std::string message = complaint(params);
    EXPECT_TRUE(message.starts_with(expected)) << "found '" << message << "', expected '" << expected << "'";
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(SamplingParams, SamplesOfARequestHaveDifferentSeedsThatDoNotDependOnTheirNumber) {
  std::set<uint64_t> seeds;
  for (uint64_t seed : {0ul, 1ul, 2ul})
    for (uint64_t index = 0; index < 1000; ++index) seeds.insert(sample_seed(seed, index));
  EXPECT_EQ(seeds.size(), 3000u);
  EXPECT_EQ(sample_seed(7, 3), derive_seed(7, 3));
}

TEST(SamplingParams, TheRuleOfATokenCarriesTheFiltersTheDerivedSeedAndThePosition) {
  const SamplingParams params{.temperature = 0.5f, .top_k = -1, .top_p = 0.9f, .min_p = 0.1f, .seed = 11};
  const SampleRule rule = sample_rule(params, 2, 41);
  EXPECT_EQ(rule.temperature, 0.5f);
  EXPECT_EQ(rule.top_k, 0);
  EXPECT_EQ(rule.top_p, 0.9f);
  EXPECT_EQ(rule.min_p, 0.1f);
  EXPECT_EQ(rule.seed, sample_seed(11, 2));
  EXPECT_EQ(rule.position, 41);
}

}  // namespace
}  // namespace invar
