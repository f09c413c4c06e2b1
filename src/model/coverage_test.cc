#include "model/coverage.h"

#include <gtest/gtest.h>

#include <functional>

namespace invar {
namespace {

ModelConfig largest(Architecture architecture) {
  ModelConfig config;
  config.architecture = architecture;
  config.vocab_size = kCoveredVocabMax;
  config.hidden_size = kCoveredInputsMax;
  config.intermediate_size = kCoveredInputsMax;
  config.layers = 1;
  config.heads = kCoveredInputsMax / kCoveredHeadDimMax;
  config.kv_heads = config.heads / kCoveredGroupMax;
  config.head_dim = kCoveredHeadDimMax;
  config.max_position = kCoveredPositionsMax;
  config.qkv_bias = architecture == Architecture::kQwen2;
  config.qk_norm = architecture == Architecture::kQwen3;
  return config;
}

std::string refusal(const ModelConfig& config, int64_t page_size = 64, int threads = 2) {
  const Status status = check_coverage(config, Profile::kFma32, Tier::kRef, page_size, threads);
  return status.ok() ? "" : status.message();
}

TEST(Coverage, TheLargestCoveredSizesOfEveryArchitecturePass) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3})
    for (const Profile profile : kAllProfiles)
      for (const Tier tier : kAllTiers)
        for (const int64_t page_size : kCoveredPageSizes)
          for (const int threads : {1, 2, kCoveredThreadsMax}) {
            const Status status = check_coverage(largest(architecture), profile, tier, page_size, threads);
            EXPECT_EQ(status.ok(), tier == Tier::kRef || tier_supported(tier));
            if (status.ok()) continue;
            EXPECT_NE(status.message().find("not covered on this CPU"), std::string::npos);
          }
}

TEST(Coverage, EverySizeAndFlagOutsideIsRefusedByNameAndWhatToDo) {
  const std::tuple<std::string, Architecture, std::function<void(ModelConfig&)>> cases[] = {
      {"head_dim 272 is not covered", Architecture::kLlama, [](ModelConfig& c) { c.head_dim = 272; }},
      {"head_dim 40 is not covered", Architecture::kQwen3, [](ModelConfig& c) { c.head_dim = 40; }},
      {"heads / kv_heads 17 is not covered", Architecture::kLlama,
       [](ModelConfig& c) { c.heads = 34, c.kv_heads = 2; }},
      {"vocab_size 1048577 is not", Architecture::kLlama, [](ModelConfig& c) { ++c.vocab_size; }},
      {"hidden_size 131073 is not", Architecture::kLlama, [](ModelConfig& c) { ++c.hidden_size; }},
      {"intermediate_size 131073", Architecture::kLlama, [](ModelConfig& c) { ++c.intermediate_size; }},
      {"heads * head_dim 135168", Architecture::kLlama,
       [](ModelConfig& c) { c.heads += 16, c.kv_heads += 1; }},
      {"max_position_embeddings 1048577", Architecture::kLlama, [](ModelConfig& c) { ++c.max_position; }},
      {"qk_norm true is not covered for LlamaForCausalLM", Architecture::kLlama,
       [](ModelConfig& c) { c.qk_norm = true; }},
      {"qk_norm false is not covered for Qwen3ForCausalLM", Architecture::kQwen3,
       [](ModelConfig& c) { c.qk_norm = false; }},
      {"Qwen2ForCausalLM without biases", Architecture::kQwen2, [](ModelConfig& c) { c.qkv_bias = false; }}};
  for (const auto& [part, architecture, change] : cases) {
    ModelConfig config = largest(architecture);
    change(config);
    const std::string message = refusal(config);
    EXPECT_TRUE(message.find(part) != std::string::npos) << part << ": " << message;
    EXPECT_TRUE(message.find("; use") != std::string::npos || message.find("; lower") != std::string::npos)
        << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(Coverage, PagesAndThreadsOutsideAreRefused) {
  const ModelConfig config = largest(Architecture::kLlama);
  for (const int64_t page_size : {-16, 0, 1, 8, 48, 256})
    EXPECT_EQ(refusal(config, page_size),
              fmt::format("page size {} is not covered by the invariance tests: expected 16, 32, 64 or 128",
                          page_size));
  for (const int threads : {-1, 0, 65})
    EXPECT_EQ(refusal(config, 64, threads),
              fmt::format("{} threads are not covered by the invariance tests: expected 1 to 64", threads));
}

TEST(Coverage, AProfileThatIsNoneIsRefused) {
  const Status status =
      check_coverage(largest(Architecture::kLlama), static_cast<Profile>(7), Tier::kRef, 64, 1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), "profile 7 is not covered by the invariance tests: expected fma32, tc16 or amx32");
}

}  // namespace
}  // namespace invar
