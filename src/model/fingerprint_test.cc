#include "model/fingerprint.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "io/hash.h"

namespace invar {
namespace {

ModelConfig config() {
  ModelConfig config;
  config.architecture = Architecture::kQwen3;
  config.vocab_size = 100;
  config.hidden_size = 64;
  config.intermediate_size = 160;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.max_position = 2048;
  config.rms_eps = 1e-6f;
  config.rope = {.theta = 10000,
                 .scaling = RopeScaling::kYarn,
                 .factor = 4,
                 .original_max_position = 512,
                 .beta_fast = 100};
  config.qk_norm = true;
  return config;
}

std::string fingerprint(const ModelConfig& config, Profile profile = Profile::kFma32,
                        std::string_view weights = "abc") {
  const auto result = model_fingerprint(config, profile, weights);
  EXPECT_TRUE(result.ok());
  return result.ok() ? *result : "";
}

TEST(Fingerprint, IsTheHashOfTheTextInTheSpecification) {
  ModelConfig plain = config();
  plain.rope = {.theta = 10000};
  plain.head_dim = 4;
  const std::string text =
      "invar fingerprint 1\nnumerics_version 1\nprofile tc16\narchitecture Qwen3ForCausalLM\nvocab_size 100\n"
      "hidden_size 64\nintermediate_size 160\nlayers 2\nheads 4\nkv_heads 2\nhead_dim 4\nrms_eps 358637bd\n"
      "attention_scale 3f000000\nrope_factor 3f800000\nrope_inv_freq 3f8000003c23d70a\ntie_embeddings 0\n"
      "qkv_bias 0\noutput_bias 0\nqk_norm 1\nweights abc\n";
  EXPECT_EQ(fingerprint(plain, Profile::kTc16), sha256_hex(std::as_bytes(std::span<const char>(text))));
}

TEST(Fingerprint, ChangesWithEveryFieldThatChangesABit) {
  const std::pair<const char*, std::function<void(ModelConfig&)>> changes[] = {
      {"nothing", [](ModelConfig&) {}},
      {"architecture", [](ModelConfig& c) { c.architecture = Architecture::kLlama; }},
      {"vocab_size", [](ModelConfig& c) { c.vocab_size = 101; }},
      {"hidden_size", [](ModelConfig& c) { c.hidden_size = 65; }},
      {"intermediate_size", [](ModelConfig& c) { c.intermediate_size = 161; }},
      {"layers", [](ModelConfig& c) { c.layers = 3; }},
      {"heads", [](ModelConfig& c) { c.heads = 8; }},
      {"kv_heads", [](ModelConfig& c) { c.kv_heads = 4; }},
      {"head_dim", [](ModelConfig& c) { c.head_dim = 80; }},
      {"rms_eps", [](ModelConfig& c) { c.rms_eps = 1e-5f; }},
      {"theta", [](ModelConfig& c) { c.rope.theta = 10001; }},
      {"no scaling", [](ModelConfig& c) { c.rope.scaling = RopeScaling::kNone; }},
      {"linear", [](ModelConfig& c) { c.rope.scaling = RopeScaling::kLinear; }},
      {"llama3", [](ModelConfig& c) { c.rope.scaling = RopeScaling::kLlama3; }},
      {"llama3 low",
       [](ModelConfig& c) { c.rope.scaling = RopeScaling::kLlama3, c.rope.low_freq_factor = 0.5; }},
      {"llama3 high",
       [](ModelConfig& c) { c.rope.scaling = RopeScaling::kLlama3, c.rope.high_freq_factor = 9; }},
      {"llama3 original",
       [](ModelConfig& c) { c.rope.scaling = RopeScaling::kLlama3, c.rope.original_max_position = 900; }},
      {"factor", [](ModelConfig& c) { c.rope.factor = 5; }},
      {"original_max_position", [](ModelConfig& c) { c.rope.original_max_position = 700; }},
      {"beta_fast", [](ModelConfig& c) { c.rope.truncate = false, c.rope.beta_fast = 40; }},
      {"beta_slow", [](ModelConfig& c) { c.rope.truncate = false, c.rope.beta_slow = 2; }},
      {"truncate", [](ModelConfig& c) { c.rope.truncate = false; }},
      {"attention_factor", [](ModelConfig& c) { c.rope.attention_factor = 1.5; }},
      {"mscale", [](ModelConfig& c) { c.rope.mscale = 1.0, c.rope.mscale_all_dim = 0.5; }},
      {"tie", [](ModelConfig& c) { c.tie_embeddings = true; }},
      {"qkv_bias", [](ModelConfig& c) { c.qkv_bias = true; }},
      {"output_bias", [](ModelConfig& c) { c.output_bias = true; }},
      {"qk_norm", [](ModelConfig& c) { c.qk_norm = false; }}};
  std::set<std::string> seen;
  for (const auto& [name, change] : changes) {
    ModelConfig changed = config();
    change(changed);
    EXPECT_TRUE(seen.insert(fingerprint(changed)).second) << name;
  }
  EXPECT_TRUE(seen.insert(fingerprint(config(), Profile::kTc16)).second) << "profile";
  EXPECT_TRUE(seen.insert(fingerprint(config(), Profile::kFma32, "abd")).second) << "weights";
}

TEST(Fingerprint, DoesNotSeeWhatChangesNoBit) {
  const std::string expected = fingerprint(config());
  ModelConfig other = config();
  other.max_position = 4096;
  other.bos_id = 1;
  other.eos_ids = {2, 3};
  other.generation.temperature = 0.5;
  other.rope.low_freq_factor = 2;  // llama3's
  EXPECT_EQ(fingerprint(other), expected);
  other.rope.mscale = 2;  // used only beside mscale_all_dim
  EXPECT_EQ(fingerprint(other), expected);
}

TEST(Fingerprint, ImpossibleRotationsAreAnError) {
  ModelConfig wrong = config();
  wrong.rope.theta = 0;
  EXPECT_FALSE(model_fingerprint(wrong, Profile::kFma32, "abc").ok());
}

}  // namespace
}  // namespace invar
