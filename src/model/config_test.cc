#include "model/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "io/atomic_file.h"
#include "io/gguf_builder.h"
#include "io/text_testing.h"

namespace invar {
namespace {

// Llama-3.2-1B-Instruct, as published.
const Json kLlama = Json::parse(R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
  "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048,
  "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
  "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
  "pretraining_tp": 1, "rms_norm_eps": 1e-05,
  "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                   "original_max_position_embeddings": 8192, "rope_type": "llama3"},
  "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true,
  "vocab_size": 128256})");

// Qwen2.5-0.5B-Instruct, as published.
const Json kQwen2 = Json::parse(R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
  "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02, "intermediate_size": 4864,
  "max_position_embeddings": 32768, "max_window_layers": 21, "model_type": "qwen2", "num_attention_heads": 14,
  "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
  "sliding_window": 32768, "tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151936})");

// Qwen3-8B, as published.
const Json kQwen3 = Json::parse(R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
  "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
  "intermediate_size": 12288, "max_position_embeddings": 40960, "max_window_layers": 36, "model_type": "qwen3",
  "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
  "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": false,
  "use_sliding_window": false, "vocab_size": 151936})");

ModelConfig parsed(const Json& json, const Json* generation = nullptr) {
  const Result<ModelConfig> config = parse_hf_config(json, generation, "config.json");
  EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.message());
  return config.ok() ? *config : ModelConfig{};
}

// `base` with `changes` merged in (RFC 7386: a null removes the key).
Json with(Json base, const std::string& changes) {
  base.merge_patch(Json::parse(changes));
  return base;
}

std::string refusal(const Json& json) {
  const Result<ModelConfig> config = parse_hf_config(json, nullptr, "config.json");
  EXPECT_FALSE(config.ok()) << json;
  if (config.ok()) return "";
  EXPECT_EQ(config.message().rfind("config.json: ", 0), 0u) << config.message();
  EXPECT_EQ(config.message().find('\n'), std::string::npos) << config.message();
  return config.message();
}

TEST(ModelConfig, Llama32IsRead) {
  const ModelConfig c = parsed(kLlama);
  EXPECT_EQ(c.architecture, Architecture::kLlama);
  EXPECT_EQ(c.vocab_size, 128256);
  EXPECT_EQ(c.hidden_size, 2048);
  EXPECT_EQ(c.intermediate_size, 8192);
  EXPECT_EQ(c.layers, 16);
  EXPECT_EQ(c.heads, 32);
  EXPECT_EQ(c.kv_heads, 8);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.max_position, 131072);
  EXPECT_EQ(c.rms_eps, 1e-5f);
  EXPECT_TRUE(c.tie_embeddings);
  EXPECT_FALSE(c.qkv_bias || c.output_bias || c.qk_norm);
  EXPECT_EQ(c.bos_id, 128000);
  EXPECT_EQ(c.eos_ids, (std::vector<int64_t>{128001, 128008, 128009}));
  const RopeConfig rope{.theta = 500000.0,
                        .scaling = RopeScaling::kLlama3,
                        .factor = 32.0,
                        .original_max_position = 8192,
                        .low_freq_factor = 1.0,
                        .high_freq_factor = 4.0};
  EXPECT_EQ(c.rope, rope);
}

TEST(ModelConfig, Qwen2AndQwen3AreRead) {
  const ModelConfig two = parsed(kQwen2);
  EXPECT_EQ(two.architecture, Architecture::kQwen2);
  EXPECT_EQ(two.head_dim, 64);
  EXPECT_TRUE(two.qkv_bias && !two.output_bias && !two.qk_norm && two.tie_embeddings);
  EXPECT_EQ(two.rope, (RopeConfig{.theta = 1e6}));
  const ModelConfig three = parsed(kQwen3);
  EXPECT_EQ(three.architecture, Architecture::kQwen3);
  EXPECT_EQ(three.head_dim, 128);
  EXPECT_TRUE(!three.qkv_bias && !three.output_bias && three.qk_norm && !three.tie_embeddings);
  EXPECT_EQ(three.eos_ids, (std::vector<int64_t>{151645}));
}

TEST(ModelConfig, BothSpellingsOfRopeGiveTheSameConfig) {
  const Json v5 = with(kLlama, R"({"rope_theta": null, "rope_scaling": null, "rope_parameters": {
      "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
      "rope_theta": 500000.0, "rope_type": "llama3"}})");
  EXPECT_EQ(parsed(v5), parsed(kLlama));
  const Json plain = with(kQwen3, R"({"rope_theta": null,
      "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}})");
  EXPECT_EQ(parsed(plain), parsed(kQwen3));
  EXPECT_EQ(parsed(with(kQwen3, R"({"rope_theta": null})")).rope.theta, 10000.0);  // transformers' default
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"rope_parameters": {"rope_theta": 1.0}})")), "found both");
}

TEST(ModelConfig, EveryKindOfRopeScalingIsReadAsTransformersDoes) {
  const ModelConfig linear = parsed(with(kQwen3, R"({"rope_scaling": {"type": "linear", "factor": 2}})"));
  EXPECT_EQ(linear.rope, (RopeConfig{.theta = 1e6, .scaling = RopeScaling::kLinear, .factor = 2.0}));
  const ModelConfig yarn = parsed(with(kQwen3, R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0,
      "original_max_position_embeddings": 32768}})"));
  EXPECT_EQ(yarn.rope,
            (RopeConfig{
                .theta = 1e6, .scaling = RopeScaling::kYarn, .factor = 4.0, .original_max_position = 32768}));
  const ModelConfig full = parsed(with(kQwen3, R"({"rope_scaling": {"rope_type": "yarn", "beta_fast": 16,
      "beta_slow": 2, "truncate": false, "attention_factor": 1.5, "mscale": 0.707, "mscale_all_dim": 1.0,
      "original_max_position_embeddings": 10240}})"));
  EXPECT_EQ(full.rope, (RopeConfig{.theta = 1e6,
                                   .scaling = RopeScaling::kYarn,
                                   .factor = 4.0,
                                   .original_max_position = 10240,
                                   .beta_fast = 16.0,
                                   .beta_slow = 2.0,
                                   .attention_factor = 1.5,
                                   .mscale = 0.707,
                                   .mscale_all_dim = 1.0,
                                   .truncate = false}));
  const Json beside = with(kQwen3, R"({"original_max_position_embeddings": 4096,
      "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}})");
  EXPECT_EQ(parsed(beside).rope.original_max_position, 4096);
}

TEST(ModelConfig, RopeScalingThatWeDoNotComputeIsRefused) {
  const auto rope = [](const std::string& scaling) {
    return refusal(with(kQwen3, R"({"rope_scaling": )" + scaling + "}"));
  };
  EXPECT_CONTAINS(rope(R"({"rope_type": "dynamic", "factor": 2.0})"),
                  "rope_scaling: rope_type: found \"dynamic\"; supported: default, linear, llama3, yarn");
  EXPECT_CONTAINS(rope(R"({"rope_type": "linear"})"),
                  "factor: expected a number of 1 to 1000000, found nothing");
  EXPECT_CONTAINS(rope(R"({"rope_type": "linear", "factor": 0.5})"), "found 0.5");
  EXPECT_CONTAINS(rope(R"({"rope_type": "llama3", "factor": 8.0})"), "low_freq_factor: expected a number");
  EXPECT_CONTAINS(
      rope(R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4})"),
      "low_freq_factor < high_freq_factor");
  EXPECT_CONTAINS(rope(R"({"rope_type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 2})"),
                  "beta_slow < beta_fast");
  EXPECT_CONTAINS(rope(R"({"rope_type": "default", "mrope_section": [16, 24, 24]})"), "\"mrope_section\"");
  EXPECT_CONTAINS(rope(R"({"rope_type": "default", "partial_rotary_factor": 0.5})"), "partial_rotary_factor");
  EXPECT_CONTAINS(rope(R"("yarn")"), "rope_scaling: expected an object");
  EXPECT_CONTAINS(refusal(with(kQwen3, R"({"rope_parameters": {"full_attention": {"rope_theta": 1.0}}})")),
                  "\"full_attention\"");
  EXPECT_CONTAINS(refusal(with(kQwen3, R"({"rope_theta": 0.5})")), "rope_theta: expected a number of 1 to");
}

TEST(ModelConfig, OtherModelsAreRefusedByName) {
  EXPECT_EQ(
      refusal(with(kLlama, R"({"architectures": ["FooForCausalLM"]})")),
      "config.json: architectures: found \"FooForCausalLM\"; supported: LlamaForCausalLM, Qwen2ForCausalLM, "
      "Qwen3ForCausalLM");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"architectures": null})")), "found nothing");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"architectures": []})")), "found an array of 0");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"model_type": "mllama"})")),
                  "expected \"llama\" for LlamaForCausalLM");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"hidden_act": "gelu"})")), "found \"gelu\"; supported: \"silu\"");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})")),
                  "quantization_config: found \"gptq\"");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"mlp_bias": true})")), "mlp_bias: expected false, found true");
  EXPECT_CONTAINS(refusal(with(kQwen2, R"({"use_sliding_window": true})")),
                  "use_sliding_window: expected false");
  EXPECT_CONTAINS(refusal(with(kQwen2, R"({"layer_types": ["full_attention", "sliding_attention"]})")),
                  "found \"sliding_attention\"");
  EXPECT_CONTAINS(refusal(with(kQwen2, R"({"dual_chunk_attention_config": {"chunk_size": 262144}})")),
                  "dual_chunk_attention_config: expected nothing, found an object");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"rope_interleaved": true})")), "rope_interleaved");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"partial_rotary_factor": 0.5})")), "partial_rotary_factor");
  EXPECT_CONTAINS(refusal(Json::array()), "expected an object");
}

TEST(ModelConfig, MissingAbsurdAndMismatchedSizesAreRefused) {
  EXPECT_EQ(refusal(with(kLlama, R"({"hidden_size": "abc"})")),
            "config.json: hidden_size: expected an integer of 1 to 131072, found \"abc\"");
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "max_position_embeddings"}) {
    for (const char* value : {"null", "0", "-1", "1.5", "1e300", "1152921504606846976", "true", "[1]"}) {
      EXPECT_CONTAINS(refusal(with(kLlama, "{\"" + std::string(key) + "\": " + value + "}")),
                      std::string(key) + ": expected an integer of 1 to ");
    }
  }
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"num_key_value_heads": 7})")),
                  "expected a divisor of the 32 query heads");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"num_key_value_heads": 64})")),
                  "kv_heads: expected 1 to 32, found 64");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"head_dim": 63})")), "expected an even number");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"head_dim": null, "hidden_size": 2050})")),
                  "hidden_size: expected a multiple");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"rms_norm_eps": -1e-5})")),
                  "rms_norm_eps: expected a number of 0 to 1");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"eos_token_id": [1, 128256]})")), "ids below vocab_size 128256");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"bos_token_id": 128256})")), "bos_token_id");
  EXPECT_CONTAINS(refusal(with(kLlama, R"({"num_hidden_layers": 1024, "hidden_size": 131072,
                                           "intermediate_size": 1048576})")),
                  "at most 4398046511104 parameters");
}

TEST(ModelConfig, AbsentOptionalKeysHaveTransformersDefaults) {
  const ModelConfig c =
      parsed(with(kLlama, R"({"num_key_value_heads": null, "head_dim": null, "rms_norm_eps": null,
      "tie_word_embeddings": null, "bos_token_id": null, "eos_token_id": null, "attention_bias": true,
      "hidden_act": null, "model_type": null})"));
  EXPECT_EQ(c.kv_heads, 32);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.rms_eps, 1e-6f);
  EXPECT_FALSE(c.tie_embeddings);
  EXPECT_TRUE(c.qkv_bias && c.output_bias);
  EXPECT_EQ(c.bos_id, std::nullopt);
  EXPECT_TRUE(c.eos_ids.empty());
  EXPECT_EQ(parsed(with(kQwen3, R"({"head_dim": null, "hidden_size": 2560})")).head_dim, 128);
}

TEST(ModelConfig, GenerationConfigOverridesTheEndTokensAndSuggestsSampling) {
  const Json generation = Json::parse(R"({"bos_token_id": 151643, "do_sample": true, "pad_token_id": 151643,
      "eos_token_id": [151645, 151643], "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20})");
  const ModelConfig c = parsed(kQwen2, &generation);
  EXPECT_EQ(c.eos_ids, (std::vector<int64_t>{151643, 151645}));
  const GenerationDefaults expected{
      .do_sample = true, .temperature = 0.7, .top_p = 0.8, .top_k = 20, .repetition_penalty = 1.1};
  EXPECT_EQ(c.generation, expected);
  const Json bad = Json::parse(R"({"temperature": "hot"})");
  EXPECT_EQ(parse_hf_config(kQwen2, &bad, "config.json").message(),
            "config.json: generation_config.json: temperature: expected a number of 0 to 100, found \"hot\"");
}

TEST(ModelConfig, AFolderIsReadWithItsGenerationConfig) {
  const std::string folder = testing::TempDir() + "invar_config_" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  EXPECT_CONTAINS(read_hf_config(folder).message(), folder + "/config.json: cannot open: No such file");
  ASSERT_TRUE(write_file_atomically(folder + "/config.json", kQwen2.dump()).ok());
  EXPECT_EQ(*read_hf_config(folder), parsed(kQwen2));
  ASSERT_TRUE(write_file_atomically(folder + "/generation_config.json", R"({"top_k": 5})").ok());
  EXPECT_EQ(read_hf_config(folder)->generation.top_k, 5);
  ASSERT_TRUE(write_file_atomically(folder + "/generation_config.json", R"({"top_k": )").ok());
  EXPECT_CONTAINS(read_hf_config(folder).message(), "generation_config.json: byte 10: ");
  std::filesystem::remove_all(folder);
}

// The metadata of a small model; `change` may add to it or replace the architecture.
GgufBuilder small_gguf(const std::string& architecture, bool tied = true) {
  GgufBuilder builder;
  const auto key = [&](const char* name) { return architecture + "." + name; };
  builder.put_string("general.architecture", architecture).put<uint32_t>(key("block_count"), 2);
  builder.put<uint32_t>(key("context_length"), 8192).put<uint32_t>(key("embedding_length"), 8);
  builder.put<uint32_t>(key("feed_forward_length"), 16).put<uint32_t>(key("attention.head_count"), 2);
  builder.put<uint32_t>(key("attention.head_count_kv"), 1).put<float>(key("rope.freq_base"), 100000.0f);
  builder.put<float>(key("attention.layer_norm_rms_epsilon"), 1e-5f);
  builder.put<uint32_t>("tokenizer.ggml.eos_token_id", 2).put<uint32_t>("tokenizer.ggml.bos_token_id", 1);
  builder.tensor("token_embd.weight", GgmlType::kF32, {4, 8}, std::string(128, '\0'));
  if (!tied) builder.tensor("output.weight", GgmlType::kF32, {4, 8}, std::string(128, '\0'));
  return builder;
}

Result<ModelConfig> parse(const GgufBuilder& builder) {
  const std::string bytes = builder.bytes();
  const Result<GgufFile> file = GgufFile::from_memory(std::as_bytes(std::span(bytes)), "m.gguf");
  EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.message());
  return parse_gguf_config(*file);
}

std::string refusal(const GgufBuilder& builder) {
  const Result<ModelConfig> config = parse(builder);
  EXPECT_FALSE(config.ok());
  return config.ok() ? "" : config.message();
}

TEST(GgufConfig, EveryArchitectureIsRead) {
  const Result<ModelConfig> llama = parse(small_gguf("llama"));
  ASSERT_TRUE(llama.ok()) << llama.message();
  const ModelConfig expected{.architecture = Architecture::kLlama,
                             .vocab_size = 4,
                             .hidden_size = 8,
                             .intermediate_size = 16,
                             .layers = 2,
                             .heads = 2,
                             .kv_heads = 1,
                             .head_dim = 4,
                             .max_position = 8192,
                             .rms_eps = 1e-5f,
                             .rope = {.theta = 100000.0},
                             .tie_embeddings = true,
                             .bos_id = 1,
                             .eos_ids = {2}};
  EXPECT_EQ(*llama, expected);
  const Result<ModelConfig> qwen2 = parse(small_gguf("qwen2", false));
  ASSERT_TRUE(qwen2.ok()) << qwen2.message();
  EXPECT_TRUE(qwen2->qkv_bias && !qwen2->output_bias && !qwen2->tie_embeddings);
  const Result<ModelConfig> qwen3 =
      parse(small_gguf("qwen3").put<uint32_t>("qwen3.attention.key_length", 16));
  ASSERT_TRUE(qwen3.ok()) << qwen3.message();
  EXPECT_EQ(qwen3->head_dim, 16);
  EXPECT_TRUE(qwen3->qk_norm && !qwen3->qkv_bias);
}

TEST(GgufConfig, EndTokensAndSamplingAreCollected) {
  const Result<ModelConfig> config = parse(small_gguf("llama")
                                               .put<uint32_t>("tokenizer.ggml.eot_token_id", 0)
                                               .put<uint32_t>("tokenizer.ggml.eom_token_id", 2)
                                               .put<float>("general.sampling.temp", 0.5f)
                                               .put<int32_t>("general.sampling.top_k", 20));
  ASSERT_TRUE(config.ok()) << config.message();
  EXPECT_EQ(config->eos_ids, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(config->generation, (GenerationDefaults{.temperature = 0.5, .top_k = 20}));
}

TEST(GgufConfig, RopeScalingIsReadOrRefused) {
  const auto yarn = parse(small_gguf("qwen2")
                              .put_string("qwen2.rope.scaling.type", "yarn")
                              .put<float>("qwen2.rope.scaling.factor", 4.0f)
                              .put<uint32_t>("qwen2.rope.scaling.original_context_length", 2048));
  ASSERT_TRUE(yarn.ok()) << yarn.message();
  EXPECT_EQ(
      yarn->rope,
      (RopeConfig{
          .theta = 100000.0, .scaling = RopeScaling::kYarn, .factor = 4.0, .original_max_position = 2048}));
  const auto linear = parse(small_gguf("llama")
                                .put_string("llama.rope.scaling.type", "linear")
                                .put<float>("llama.rope.scaling.factor", 2.0f));
  EXPECT_EQ(linear->rope.scaling, RopeScaling::kLinear);
  EXPECT_CONTAINS(refusal(small_gguf("llama").put_string("llama.rope.scaling.type", "longrope")),
                  "found \"longrope\"; supported: none, linear, yarn");
  EXPECT_CONTAINS(refusal(small_gguf("llama")
                              .put_string("llama.rope.scaling.type", "yarn")
                              .put<float>("llama.rope.scaling.factor", 2.0f)
                              .put<float>("llama.rope.scaling.attn_factor", 0.5f)),
                  "expected a number of 1 to 1");
  EXPECT_CONTAINS(refusal(small_gguf("llama").put<uint32_t>("llama.rope.dimension_count", 2)),
                  "expected the head dimension 4");
}

TEST(GgufConfig, Llama3ScalingIsRecoveredFromItsDivisors) {
  // As convert_hf_to_gguf.py writes them: D = 128, theta 500000, factor 8, low 1, high 4, original length 8192.
  const auto file = [](double factor, double spoil) {
    std::vector<float> divisors(64);
    for (std::size_t i = 0; i < divisors.size(); ++i) {
      const double wave = 2 * M_PI * std::pow(500000.0, static_cast<double>(i) / 64.0);
      const double smooth = (8192.0 / wave - 1.0) / 3.0;
      divisors[i] = static_cast<float>(wave < 8192.0 / 4 ? 1.0
                                       : wave > 8192.0   ? factor
                                                         : 1.0 / ((1.0 - smooth) / factor + smooth));
    }
    divisors[30] *= static_cast<float>(spoil);
    const std::string data(reinterpret_cast<const char*>(divisors.data()), 256);
    GgufBuilder builder;
    builder.put_string("general.architecture", "llama").put<uint32_t>("llama.block_count", 2);
    builder.put<uint32_t>("llama.context_length", 131072).put<uint32_t>("llama.embedding_length", 256);
    builder.put<uint32_t>("llama.feed_forward_length", 16).put<uint32_t>("llama.attention.head_count", 2);
    builder.put<float>("llama.rope.freq_base", 500000.0f);
    builder.put<float>("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    builder.tensor("token_embd.weight", GgmlType::kF32, {4, 256}, std::string(4096, '\0'));
    builder.tensor("rope_freqs.weight", GgmlType::kF32, {64}, data);
    return builder;
  };
  for (const double factor : {8.0, 32.0}) {
    const Result<ModelConfig> config = parse(file(factor, 1.0));
    ASSERT_TRUE(config.ok()) << config.message();
    EXPECT_EQ(config->rope, (RopeConfig{.theta = 500000.0,
                                        .scaling = RopeScaling::kLlama3,
                                        .factor = factor,
                                        .original_max_position = 8192}));
  }
  EXPECT_CONTAINS(refusal(file(8.0, 1.01)),
                  "rope_freqs.weight: expected the divisors of Llama 3's RoPE scaling");
  EXPECT_CONTAINS(refusal(file(8.3, 1.0)), "found others");
  EXPECT_CONTAINS(refusal(file(8.0, std::nan(""))), "found others");
}

TEST(GgufConfig, WhatWeDoNotComputeIsRefusedByName) {
  EXPECT_EQ(refusal(small_gguf("gemma3")),
            "m.gguf: general.architecture: found \"gemma3\"; supported: llama, qwen2, qwen3");
  EXPECT_CONTAINS(refusal(GgufBuilder()), "general.architecture: found nothing");
  EXPECT_CONTAINS(refusal(small_gguf("llama").put<uint32_t>("llama.expert_count", 8)),
                  "llama.expert_count: expected an integer of 0 to 0, found 8");
  EXPECT_CONTAINS(refusal(small_gguf("qwen2").put<uint32_t>("qwen2.attention.sliding_window", 4096)),
                  "found 4096");
  EXPECT_CONTAINS(refusal(small_gguf("llama").put<float>("llama.logit_scale", 2.0f)),
                  "\"llama.logit_scale\"");
  EXPECT_CONTAINS(refusal(small_gguf("llama").put<uint32_t>("llama.vocab_size", 5)), "expected 4");
  EXPECT_CONTAINS(refusal(small_gguf("llama").put<uint16_t>("split.count", 3)), "one of 3 parts");
  EXPECT_CONTAINS(refusal(small_gguf("llama").put<bool>("llama.attention.causal", false)), "expected true");
  GgufBuilder no_sizes;
  no_sizes.put_string("general.architecture", "llama").put<int32_t>("llama.embedding_length", -8);
  EXPECT_CONTAINS(refusal(no_sizes), "llama.embedding_length: expected an integer of 1 to 131072, found -8");
}

}  // namespace
}  // namespace invar
