#include "train/checkpoint_model.h"

#include <gtest/gtest.h>

#include <cstring>

#include "io/atomic_file.h"
#include "io/gguf_builder.h"
#include "io/gguf_write.h"
#include "io/mapped_file.h"
#include "train/checkpoint_testing.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

class CheckpointModelTest : public RunFolderTest {
 protected:
  // Saves the weights of `source` as a checkpoint, and opens that as a model.
  Result<WeightSource> save_and_open(const WeightSource& source, int64_t step) const {
    std::vector<ParameterSlice> slices;
    int64_t size = 0;
    for (const WeightSpec& spec : source.specs()) {
      slices.push_back({spec.name, spec.shape, size});
      size += spec.elements();
    }
    TinyTraining training(slices, 1);
    for (const ParameterSlice& slice : slices) {
      INVAR_TRY(const Buffer<bf16> values, source.load(slice.name, slice.shape));
      std::memcpy(training.weights.data() + slice.begin, values.data(), values.bytes());
    }
    INVAR_TRY(training.model_files, read_model_files(source));
    INVAR_TRY(const SavedCheckpoint saved, save_checkpoint(run_, training.contents(state_of(step))));
    INVAR_TRY(const Checkpoint checkpoint, Checkpoint::open(saved.path));
    return WeightSource::open(checkpoint.path());
  }
  void write(const std::string& name, const std::string& bytes) const {
    ASSERT_TRUE(write_file_atomically(run_ + "/" + name, bytes).ok());
  }
  ThreadPool pool_{1};
};

// A llama of two layers with the given extra keys: V 6, C 8, F 10, H 4, G 2, D 4.
GgufBuilder tiny_gguf(const std::string& architecture) {
  GgufBuilder builder;
  const auto key = [&](const char* name) { return architecture + "." + name; };
  builder.put_string("general.architecture", architecture);
  builder.put<uint32_t>(key("block_count"), 2).put<uint32_t>(key("context_length"), 64);
  builder.put<uint32_t>(key("embedding_length"), 8).put<uint32_t>(key("feed_forward_length"), 10);
  builder.put<uint32_t>(key("attention.head_count"), 4).put<uint32_t>(key("attention.head_count_kv"), 2);
  builder.put<uint32_t>(key("attention.key_length"), 4).put<float>(key("rope.freq_base"), 1000000.0f);
  builder.put<float>(key("attention.layer_norm_rms_epsilon"), 1e-5f);
  builder.put<float>("general.sampling.temp", 0.5f);
  builder.put<uint32_t>("tokenizer.ggml.bos_token_id", 1).put<uint32_t>("tokenizer.ggml.eos_token_id", 2);
  builder.put<uint32_t>("tokenizer.ggml.eot_token_id", 3).put<bool>("tokenizer.ggml.add_bos_token", true);
  builder.put_string("tokenizer.ggml.model", "gpt2").put_string("tokenizer.ggml.pre", "smollm");
  builder.put_strings("tokenizer.ggml.tokens", {"a", "b", "<s>", "</s>", "ab", "\xc3\xa9"});
  builder.put_array<int32_t>("tokenizer.ggml.token_type", {1, 1, 3, 3, 1, -1});
  builder.put_array<float>("tokenizer.ggml.scores", {0.5f, -1.0f});
  builder.put_strings("tokenizer.ggml.merges", {"a b"});
  builder.put_string("tokenizer.chat_template", "{{ messages }}");
  SplitMix64 random(3);
  ModelConfig config;
  config.architecture = architecture == "llama"   ? Architecture::kLlama
                        : architecture == "qwen2" ? Architecture::kQwen2
                                                  : Architecture::kQwen3;
  config.vocab_size = 6, config.hidden_size = 8, config.intermediate_size = 10, config.layers = 2;
  config.heads = 4, config.kv_heads = 2, config.head_dim = 4, config.tie_embeddings = true;
  config.qkv_bias = architecture == "qwen2", config.qk_norm = architecture == "qwen3";
  for (const WeightSpec& spec : weight_specs(config)) {
    std::string data;
    for (int64_t i = 0; i < spec.elements(); ++i) {
      const float value = static_cast<float>(static_cast<int32_t>(random.next())) * 0x1p-31f;
      data.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    builder.tensor(gguf_name(spec.name), GgmlType::kF32, spec.shape, data);
  }
  return builder;
}

TEST_F(CheckpointModelTest, AGgufModelBecomesAHuggingFaceFolderOfTheSameConfigurationAndWeights) {
  int64_t step = 0;
  for (const char* architecture : {"llama", "qwen2", "qwen3"}) {
    SCOPED_TRACE(architecture);
    write("m.gguf", tiny_gguf(architecture).bytes());
    const auto source = WeightSource::open(run_ + "/m.gguf");
    ASSERT_TRUE(source.ok()) << source.message();
    const auto saved = save_and_open(*source, ++step);
    ASSERT_TRUE(saved.ok()) << saved.message();
    EXPECT_EQ(saved->gguf(), nullptr);
    EXPECT_EQ(saved->config(), source->config());
    EXPECT_EQ(saved->weights_digest(pool_), source->weights_digest(pool_));
    // A run that begins from a checkpoint hands on the same files.
    const auto files = read_model_files(*source), again = read_model_files(*saved);
    ASSERT_EQ(files->size(), 3u);
    ASSERT_EQ(again->size(), files->size());
    for (std::size_t i = 0; i < files->size(); ++i) {
      EXPECT_EQ((*again)[i].name, (*files)[i].name);
      EXPECT_EQ((*again)[i].bytes, (*files)[i].bytes);
    }
    // The tokenizer's keys are there with their types and values, and nothing else is.
    const auto tokenizer = GgufFile::open(checkpoint_path(run_, step) + "/tokenizer.gguf");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    std::size_t keys = 0;
    for (const auto& [key, value] : source->gguf()->values()) {
      if (key != "general.architecture" && !key.starts_with("tokenizer.")) continue;
      ++keys;
      const GgufValue* found = tokenizer->find(key);
      ASSERT_NE(found, nullptr) << key;
      EXPECT_TRUE(found->type == value.type && found->element == value.element && found->value == value.value)
          << key;
    }
    EXPECT_EQ(tokenizer->values().size(), keys);
    EXPECT_TRUE(tokenizer->tensors().empty());
  }
}

TEST_F(CheckpointModelTest, AHuggingFaceFolderKeepsItsFilesAsTheyAre) {
  int64_t step = 0;
  for (const char* name : {"llama", "llama3-rope", "qwen2", "qwen3", "qwen3-yarn"}) {
    SCOPED_TRACE(name);
    const std::string folder = std::string(INVAR_SOURCE_DIR "/tests/goldens/models/") + name;
    const auto source = WeightSource::open(folder);
    ASSERT_TRUE(source.ok()) << source.message();
    const auto saved = save_and_open(*source, ++step);
    ASSERT_TRUE(saved.ok()) << saved.message();
    EXPECT_EQ(contents(saved->path() + "/config.json"), contents(folder + "/config.json"));
    EXPECT_EQ(saved->config(), source->config());
    EXPECT_EQ(saved->weights_digest(pool_), source->weights_digest(pool_));
    // What we would have written for the same model from GGUF says the same.
    const auto written = hf_config(source->config());
    ASSERT_TRUE(written.ok()) << written.message();
    const auto parsed = parse_hf_config(*written, nullptr, "config.json");
    ASSERT_TRUE(parsed.ok()) << parsed.message();
    EXPECT_EQ(*parsed, source->config());
    // For tools/oracle/checkpoint_logits.py: the weights with the configuration that we write.
    if (const char* keep = std::getenv("INVAR_KEEP_CHECKPOINTS")) {
      fs::copy(saved->path(), std::string(keep) + "/" + name, fs::copy_options::recursive);
      std::ofstream(std::string(keep) + "/" + name + "/config.json") << written->dump(2) << "\n";
    }
  }
}

TEST_F(CheckpointModelTest, GenerationSettingsComeBack) {
  ModelConfig config = *read_hf_config(INVAR_SOURCE_DIR "/tests/goldens/models/qwen3");
  config.bos_id = 5;
  config.eos_ids = {3, 7};
  config.rms_eps = 0.1f;
  config.generation = {.do_sample = true,
                       .temperature = 0.7,
                       .top_p = 0.95,
                       .min_p = 0.05,
                       .top_k = 20,
                       .repetition_penalty = 1.1};
  const Json generation = hf_generation_config(config);
  const auto parsed = parse_hf_config(*hf_config(config), &generation, "config.json");
  ASSERT_TRUE(parsed.ok()) << parsed.message();
  EXPECT_EQ(*parsed, config);
}

TEST_F(CheckpointModelTest, BiasesThatConfigJsonCannotSayAreRefused) {
  ModelConfig config = *read_hf_config(INVAR_SOURCE_DIR "/tests/goldens/models/llama");
  config.qkv_bias = true;
  EXPECT_EQ(hf_config(config).message(),
            "config.json has no key for a LlamaForCausalLM with a bias of q, k, v and without one of the "
            "attention's "
            "output");
  config.output_bias = true;
  EXPECT_TRUE(hf_config(config).ok());
}

// INVAR_SMOLLM2_GGUF=path/to/SmolLM2-135M-Instruct.Q4_1.gguf: a model of real size; its memory and speed by hand.
TEST_F(CheckpointModelTest, ARealGgufModelKeepsItsWeights) {
  const char* path = std::getenv("INVAR_SMOLLM2_GGUF");
  if (path == nullptr) GTEST_SKIP() << "INVAR_SMOLLM2_GGUF is not set";
  const auto source = WeightSource::open(path);
  ASSERT_TRUE(source.ok()) << source.message();
  const auto saved = save_and_open(*source, 1);
  ASSERT_TRUE(saved.ok()) << saved.message();
  EXPECT_EQ(saved->config(), source->config());
  EXPECT_EQ(saved->weights_digest(pool_), source->weights_digest(pool_));
  if (const char* keep = std::getenv("INVAR_KEEP_CHECKPOINTS")) {
    fs::copy(saved->path(), std::string(keep) + "/smollm2", fs::copy_options::recursive);
  }
}

}  // namespace
}  // namespace invar
