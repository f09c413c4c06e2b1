#include "model/weights.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "io/atomic_file.h"
#include "io/gguf_builder.h"
#include "io/hash.h"
#include "io/text_testing.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

// Two layers, every dimension different: V 6, C 8, F 10, H 4, G 2, D 4.
Json small_config(const std::string& architecture, const std::string& model_type) {
  return {{"architectures", {architecture}},
          {"model_type", model_type},
          {"vocab_size", 6},
          {"hidden_size", 8},
          {"intermediate_size", 10},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"head_dim", 4},
          {"max_position_embeddings", 64},
          {"rope_theta", 10000.0}};
}
const Json kTinyLlama = small_config("LlamaForCausalLM", "llama");

int64_t elements_of(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t dim : shape) product *= dim;
  return product;
}

// Values that need rounding, the same for every test run.
std::map<std::string, std::vector<float>> random_weights(const ModelConfig& config) {
  std::mt19937 rng(7);
  std::map<std::string, std::vector<float>> out;
  for (const WeightSpec& spec : weight_specs(config)) {
    std::vector<float>& values = out[spec.name];
    for (int64_t i = 0; i < elements_of(spec.shape); ++i) {
      values.push_back(static_cast<float>(rng()) * 0x1p-31f - 1.0f);
    }
  }
  return out;
}

class WeightsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "invar_weights_" + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    use(kTinyLlama);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // Makes `json` the folder's configuration, and draws weights for it.
  void use(const Json& json) {
    config_ = *parse_hf_config(json, nullptr, "config.json");
    specs_ = weight_specs(config_);
    values_ = random_weights(config_);
    ASSERT_TRUE(write_file_atomically(path("config.json"), json.dump()).ok());
  }
  // The weights as safetensors views; only names for which `keep` holds.
  template <class Keep>
  SafetensorsTensors views(const Keep& keep) const {
    SafetensorsTensors out;
    for (const WeightSpec& spec : specs_) {
      if (keep(spec.name)) {
        out[spec.name] = {DType::kF32, spec.shape, std::as_bytes(std::span(values_.at(spec.name)))};
      }
    }
    return out;
  }
  SafetensorsTensors views() const {
    return views([](const std::string&) { return true; });
  }
  void write(const SafetensorsTensors& tensors, const std::string& name = "model.safetensors") const {
    ASSERT_TRUE(write_safetensors(path(name), tensors).ok());
  }
  // The same weights as llama.cpp's converter stores them.
  GgufBuilder gguf(const std::string& architecture) const {
    GgufBuilder builder;
    const auto key = [&](const char* name) { return architecture + "." + name; };
    builder.put_string("general.architecture", architecture);
    builder.put<uint32_t>(key("block_count"), 2).put<uint32_t>(key("context_length"), 64);
    builder.put<uint32_t>(key("embedding_length"), 8).put<uint32_t>(key("feed_forward_length"), 10);
    builder.put<uint32_t>(key("attention.head_count"), 4).put<uint32_t>(key("attention.head_count_kv"), 2);
    builder.put<uint32_t>(key("attention.key_length"), 4).put<float>(key("rope.freq_base"), 10000.0f);
    builder.put<float>(key("attention.layer_norm_rms_epsilon"), 1e-6f);
    for (const WeightSpec& spec : specs_) {
      std::vector<float> values = values_.at(spec.name);
      if (architecture == "llama" && (contains(spec.name, "q_proj") || contains(spec.name, "k_proj"))) {
        // permute() of convert_hf_to_gguf.py: [heads, 2, D/2, width] -> [heads, D/2, 2, width].
        const std::vector<float> from = values;
        const int64_t width = spec.shape.size() == 2 ? spec.shape[1] : 1;
        std::size_t to = 0;
        for (int64_t head = 0; head < spec.shape[0] / 4; ++head) {
          for (int64_t i = 0; i < 2; ++i) {
            for (int64_t half = 0; half < 2; ++half) {
              for (int64_t c = 0; c < width; ++c)
                values[to++] = from[((head * 2 + half) * 2 + i) * width + c];
            }
          }
        }
      }
      builder.tensor(gguf_name(spec.name), GgmlType::kF32, spec.shape,
                     std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * 4));
    }
    return builder;
  }
  void write(const GgufBuilder& builder) const {
    ASSERT_TRUE(write_file_atomically(path("m.gguf"), builder.bytes()).ok());
  }

  void expect_all_weights(const WeightSource& source) const {
    for (const WeightSpec& spec : specs_) {
      const Result<Buffer<bf16>> rounded = source.load(spec.name, spec.shape);
      const Result<Buffer<float>> exact = source.load_f32(spec.name, spec.shape);
      ASSERT_TRUE(rounded.ok() && exact.ok()) << spec.name;
      const std::vector<float>& values = values_.at(spec.name);
      ASSERT_EQ(rounded->size(), static_cast<int64_t>(values.size()));
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ((*exact)[static_cast<int64_t>(i)], values[i]) << spec.name << " " << i;
        ASSERT_EQ((*rounded)[static_cast<int64_t>(i)].bits, to_bf16(values[i]).bits) << spec.name << " " << i;
      }
    }
  }
  std::string refusal(const std::string& at) const {
    const Result<WeightSource> source = WeightSource::open(at);
    EXPECT_FALSE(source.ok());
    if (source.ok()) return "";
    EXPECT_EQ(source.message().find('\n'), std::string::npos) << source.message();
    return source.message();
  }
  std::string digest(const std::string& at, int threads = 1) const {
    const Result<WeightSource> source = WeightSource::open(at);
    EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.message());
    ThreadPool pool(threads);
    return source.ok() ? source->weights_digest(pool) : "";
  }

  std::string folder_;
  ModelConfig config_;
  std::vector<WeightSpec> specs_;
  std::map<std::string, std::vector<float>> values_;
};

TEST_F(WeightsTest, EveryWayToNameAModelLoadsTheSameWeights) {
  write(views());
  write(gguf("llama"));
  const std::string expected = digest(folder_);
  for (const std::string& at : {folder_, folder_ + "/", path("model.safetensors"), path("m.gguf")}) {
    const Result<WeightSource> source = WeightSource::open(at);
    ASSERT_TRUE(source.ok()) << source.message();
    EXPECT_EQ(source->path(), at);
    EXPECT_EQ(source->specs(), specs_);
    EXPECT_EQ(source->gguf() != nullptr, at == path("m.gguf"));
    EXPECT_EQ(source->folder().empty(), at == path("m.gguf"));
    expect_all_weights(*source);
    EXPECT_EQ(digest(at), expected);
  }
  fs::remove(path("model.safetensors"));
  EXPECT_EQ(digest(folder_), expected);  // now the folder's only model is the .gguf
}

TEST_F(WeightsTest, Qwen2AndQwen3HaveTheirBiasesAndNormsInBothFormats) {
  for (const auto& [name, type] :
       {std::pair{"Qwen2ForCausalLM", "qwen2"}, std::pair{"Qwen3ForCausalLM", "qwen3"}}) {
    use(small_config(name, type));
    write(views());
    write(gguf(type));
    for (const std::string& at : {folder_, path("m.gguf")}) {
      const Result<WeightSource> source = WeightSource::open(at);
      ASSERT_TRUE(source.ok()) << source.message();
      expect_all_weights(*source);
    }
    EXPECT_EQ(digest(folder_), digest(path("m.gguf")));
  }
}

TEST_F(WeightsTest, LlamaBiasesArePermutedBackToo) {
  Json json = kTinyLlama;
  json["attention_bias"] = true;
  use(json);
  write(gguf("llama"));
  const Result<WeightSource> source = WeightSource::open(path("m.gguf"));
  ASSERT_TRUE(source.ok()) << source.message();
  EXPECT_TRUE(source->config().qkv_bias && source->config().output_bias);
  expect_all_weights(*source);
}

TEST_F(WeightsTest, ShardsAreOneModel) {
  const auto in_first = [](const std::string& name) { return contains(name, "layers.0"); };
  write(views(in_first), "s-1.safetensors");
  write(views([&](const std::string& name) { return !in_first(name); }), "s-2.safetensors");
  Json map = Json::object();
  for (const WeightSpec& spec : specs_)
    map[spec.name] = in_first(spec.name) ? "s-1.safetensors" : "s-2.safetensors";
  ASSERT_TRUE(
      write_file_atomically(path("model.safetensors.index.json"), Json{{"weight_map", map}}.dump()).ok());
  const Result<WeightSource> source = WeightSource::open(folder_);
  ASSERT_TRUE(source.ok()) << source.message();
  expect_all_weights(*source);
  const std::string sharded = digest(folder_);
  write(views());
  EXPECT_EQ(digest(folder_), sharded);
}

TEST_F(WeightsTest, TheDigestIsItsWrittenDefinitionAtAnyThreadCount) {
  write(views());
  Sha256 all;
  for (const WeightSpec& spec : specs_) {
    std::vector<bf16> bits;
    for (const float value : values_.at(spec.name)) bits.push_back(to_bf16(value));
    const Sha256Digest one = Sha256().add(std::as_bytes(std::span(bits))).digest();
    all.add_u64(spec.name.size()).add(spec.name).add_u64(spec.shape.size());
    for (const int64_t dim : spec.shape) all.add_u64(static_cast<uint64_t>(dim));
    all.add(std::as_bytes(std::span(one)));
  }
  const std::string expected = hex(all.digest());
  for (const int threads : {1, 2, 3, 7}) EXPECT_EQ(digest(folder_, threads), expected);
  values_["model.norm.weight"][3] = 0.125f;
  write(views());
  EXPECT_NE(digest(folder_), expected);
}

TEST_F(WeightsTest, TensorsThatDoNotFitTheConfigurationAreRefusedByName) {
  SafetensorsTensors tensors = views();
  tensors.erase("model.layers.1.mlp.up_proj.weight");
  write(tensors);
  EXPECT_EQ(refusal(folder_), folder_ +
                                  ": expected a tensor model.layers.1.mlp.up_proj.weight of shape [10, 8], "
                                  "found none");
  tensors = views();
  tensors["model.layers.0.mlp.up_proj.weight"].shape = {8, 10};
  write(tensors);
  EXPECT_CONTAINS(refusal(folder_),
                  "tensor model.layers.0.mlp.up_proj.weight: expected shape [10, 8] from the "
                  "configuration, found [8, 10]");
  tensors = views();
  tensors["model.norm.weight"].dtype = DType::kI32;
  write(tensors);
  EXPECT_CONTAINS(refusal(folder_), "tensor model.norm.weight: expected F32, F16 or BF16, found I32");
  tensors = views();
  tensors["model.layers.0.self_attn.q_proj.bias"] = {
      DType::kF32, {2}, tensors["model.norm.weight"].data.first(8)};
  write(tensors);
  EXPECT_CONTAINS(refusal(folder_),
                  "found the tensor \"model.layers.0.self_attn.q_proj.bias\", which a "
                  "LlamaForCausalLM of this configuration does not have");
  GgufBuilder builder = gguf("llama");
  builder.tensor("blk.0.attn_sinks.weight", GgmlType::kF32, {1}, "abcd");
  write(builder);
  EXPECT_CONTAINS(refusal(path("m.gguf")), "\"blk.0.attn_sinks.weight\"");
}

TEST_F(WeightsTest, SecondCopiesOfTiedEmbeddingsAndOldRopeTablesAreIgnored) {
  SafetensorsTensors tensors = views();
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {
      DType::kF32, {2}, tensors["model.norm.weight"].data.first(8)};
  Json json = kTinyLlama;
  json["tie_word_embeddings"] = true;
  ASSERT_TRUE(write_file_atomically(path("config.json"), json.dump()).ok());
  write(tensors);
  const Result<WeightSource> source = WeightSource::open(folder_);
  ASSERT_TRUE(source.ok()) << source.message();
  EXPECT_FALSE(source->load("lm_head.weight", {6, 8}).ok());
}

TEST_F(WeightsTest, AVectorInBlocksIsRefusedNotMisread) {
  GgufBuilder builder;
  builder.put_string("general.architecture", "llama").put<uint32_t>("llama.block_count", 1);
  builder.put<uint32_t>("llama.context_length", 64).put<uint32_t>("llama.embedding_length", 32);
  builder.put<uint32_t>("llama.feed_forward_length", 1).put<uint32_t>("llama.attention.head_count", 1);
  builder.put<float>("llama.attention.layer_norm_rms_epsilon", 1e-6f);
  builder.tensor("token_embd.weight", GgmlType::kF32, {1, 32}, std::string(128, '\0'));
  const std::string zeros(32 * 32 * 4, '\0');
  const auto put = [&](const char* name, GgmlType type, std::vector<int64_t> shape) {
    const int64_t bytes = elements_of(shape) / ggml_block(type).elements * ggml_block(type).bytes;
    builder.tensor(name, type, shape, std::string_view(zeros).substr(0, static_cast<std::size_t>(bytes)));
  };
  put("blk.0.attn_norm.weight", GgmlType::kQ8_0, {32});
  put("output_norm.weight", GgmlType::kQ8_0, {32});
  put("blk.0.ffn_norm.weight", GgmlType::kQ8_0, {32});
  for (const char* name : {"q", "k", "v", "output"}) {
    put(("blk.0.attn_" + std::string(name) + ".weight").c_str(), GgmlType::kQ4_0, {32, 32});
  }
  put("blk.0.ffn_gate.weight", GgmlType::kQ4_0, {1, 32});
  put("blk.0.ffn_up.weight", GgmlType::kQ4_0, {1, 32});
  put("blk.0.ffn_down.weight", GgmlType::kF16, {32, 1});
  write(builder);
  EXPECT_CONTAINS(refusal(path("m.gguf")), "expected F32, F16 or BF16 for a vector, found Q8_0");
}

TEST_F(WeightsTest, PathsThatAreNoModelAreRefused) {
  EXPECT_CONTAINS(refusal(path("none")), "no such file or folder");
  EXPECT_CONTAINS(refusal(path("config.json")), "expected a folder, a .safetensors file or a .gguf file");
  EXPECT_CONTAINS(refusal(folder_),
                  "expected model.safetensors, model.safetensors.index.json or one .gguf file");
  write(gguf("llama"));
  fs::copy(path("m.gguf"), path("n.gguf"));
  EXPECT_CONTAINS(refusal(folder_),
                  "expected one .gguf file, found 2; name one of them, like " + path("m.gguf"));
  write(views());
  fs::remove(path("config.json"));
  EXPECT_CONTAINS(refusal(path("model.safetensors")), "config.json: cannot open");
}

TEST_F(WeightsTest, LoadingAnUnknownNameOrAnotherShapeIsAnError) {
  write(views());
  const Result<WeightSource> source = WeightSource::open(folder_);
  ASSERT_TRUE(source.ok());
  EXPECT_CONTAINS(source->load("model.nurm.weight", {8}).message(),
                  "expected a weight \"model.nurm.weight\"");
  EXPECT_CONTAINS(source->load_f32("model.norm.weight", {9}).message(), "expected shape [9], found [8]");
}

// The real model, against transformers: tools/oracle/gguf_weights.py wrote the digest.
TEST(RealModel, Smollm2FromGgufEqualsTransformersBitForBit) {
  const char* model = std::getenv("INVAR_SMOLLM2_GGUF");
  if (model == nullptr)
    GTEST_SKIP() << "set INVAR_SMOLLM2_GGUF to SmolLM2-135M-Instruct.Q4_1.gguf to run this";
  std::string expected;
  std::ifstream(INVAR_SOURCE_DIR "/tests/goldens/smollm2_135m_q4_1.weights_digest") >> expected;
  ASSERT_EQ(expected.size(), 64u);
  const Result<WeightSource> source = WeightSource::open(model);
  ASSERT_TRUE(source.ok()) << source.message();
  ThreadPool pool(2);
  EXPECT_EQ(source->weights_digest(pool), expected);
  EXPECT_EQ(source->config().head_dim, 64);
  EXPECT_EQ(source->config().eos_ids, (std::vector<int64_t>{2}));
}

}  // namespace
}  // namespace invar
