// Logits against Hugging Face transformers in fp32 (tools/oracle/make_model_goldens.py): at most 1.5 times as far away
// as transformers' own bf16 forward is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <thread>

#include "io/safetensors.h"
#include "run_model.h"

namespace invar {
namespace {

constexpr double kTimesBf16 = 1.5;

struct Golden {
  std::vector<int32_t> tokens;   // [T]
  std::vector<int32_t> rows;     // [R], in [0, T)
  std::vector<int32_t> columns;  // [N], token ids; empty: all
  std::vector<float> logits;     // [R, N]
  double bf16_rms;               // of the logits' spread
};

template <class T>
std::vector<T> values(const SafetensorsFile& file, const char* name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) return {};
  std::vector<T> out(found->second.data.size() / sizeof(T));
  std::memcpy(out.data(), found->second.data.data(), out.size() * sizeof(T));
  return out;
}

Golden read_golden(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  INVAR_CHECK(file.ok(), "{}", file.message());
  Golden golden{.tokens = values<int32_t>(*file, "tokens"),
                .rows = values<int32_t>(*file, "rows"),
                .columns = values<int32_t>(*file, "columns"),
                .logits = values<float>(*file, "logits_f32"),
                .bf16_rms = 0};
  const std::vector<float> rms = values<float>(*file, "bf16_rms");
  INVAR_CHECK(rms.size() == 1 && !golden.rows.empty() && !golden.logits.empty(), "{}: tensors are missing", path);
  golden.bf16_rms = rms[0];
  return golden;
}

// The golden's columns of logits [R, V].
std::vector<float> pick_columns(const std::vector<float>& logits, const Golden& golden, int64_t vocab) {
  if (golden.columns.empty()) return logits;
  std::vector<float> out;
  for (std::size_t r = 0; r < golden.rows.size(); ++r) {
    for (int32_t column : golden.columns) out.push_back(logits[r * static_cast<std::size_t>(vocab) + column]);
  }
  return out;
}

// Root mean square of the difference over that of the golden's logits, each row less its mean.
double distance(const std::vector<float>& logits, const Golden& golden) {
  INVAR_CHECK(logits.size() == golden.logits.size(), "{} logits, {} golden ones", logits.size(), golden.logits.size());
  const std::size_t width = logits.size() / golden.rows.size();
  double squares = 0, spread = 0;
  for (std::size_t r = 0; r < golden.rows.size(); ++r) {
    const float* expected = golden.logits.data() + r * width;
    double mean = 0;
    for (std::size_t i = 0; i < width; ++i) mean += expected[i];
    mean /= static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) {
      squares += std::pow(static_cast<double>(logits[r * width + i]) - expected[i], 2);
      spread += std::pow(expected[i] - mean, 2);
    }
  }
  return std::sqrt(squares / spread);
}

void use_rope(DecoderModel& model, const RopeConfig& rope) {
  const auto frequencies = rope_frequencies(rope, model.config.head_dim);
  INVAR_CHECK(frequencies.ok(), "{}", frequencies.message());
  rope_table(*frequencies, model.config.max_position, model.cos_sin.data());
}

struct Machine {
  explicit Machine(Profile profile)
      : pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))), queue(pool, profile) {}
  ThreadPool pool;
  Queue queue;
};

class ModelGolden : public testing::TestWithParam<std::tuple<const char*, Profile>> {
 protected:
  double distance_of(const DecoderModel& model, std::span<const int32_t> rows) {
    const auto logits = logits_of_rows(model, machine_.queue, golden_.tokens, rows);
    return distance(pick_columns(logits, golden_, model.config.vocab_size), golden_);
  }

  Machine machine_{std::get<1>(GetParam())};
  std::string folder_ = golden_folder(std::get<0>(GetParam()));
  Golden golden_ = read_golden(folder_ + "/golden.safetensors");
  double bound_ = kTimesBf16 * golden_.bf16_rms;
};

TEST_P(ModelGolden, LogitsAreAsCloseToFp32AsBf16CanBe) {
  const double found = distance_of(load_model(folder_), golden_.rows);
  std::printf("distance %.5f, of transformers in bf16 %.5f\n", found, golden_.bf16_rms);
  EXPECT_LE(found, bound_);
}

// The bound means something only if faults that are easy to make are beyond it.
TEST_P(ModelGolden, OtherRotationsWeightsOrRowsAreBeyondTheBound) {
  DecoderModel model = load_model(folder_);
  std::vector<int32_t> before;
  for (int32_t row : golden_.rows) before.push_back(std::max(0, row - 1));
  EXPECT_GT(distance_of(model, before), bound_) << "the rows before";

  RopeConfig rope = model.config.rope;
  rope.theta *= 1.5;
  use_rope(model, rope);
  EXPECT_GT(distance_of(model, golden_.rows), bound_) << "another theta";

  if (model.config.rope.scaling != RopeScaling::kNone) {
    rope = model.config.rope;
    rope.scaling = RopeScaling::kNone;
    use_rope(model, rope);
    EXPECT_GT(distance_of(model, golden_.rows), bound_) << "no scaling of RoPE";
  }
  use_rope(model, model.config.rope);
  std::swap(model.blocks.front().mlp, model.blocks.back().mlp);
  EXPECT_GT(distance_of(model, golden_.rows), bound_) << "another layer's MLP";
}

INSTANTIATE_TEST_SUITE_P(Models, ModelGolden,
                         testing::Combine(testing::Values("llama", "llama3-rope", "qwen2", "qwen3", "qwen3-yarn"),
                                          testing::ValuesIn(kAllProfiles)),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return fmt::format("{}_{}", name, profile_name(std::get<1>(info.param)));
                         });

class SmolLm2Golden : public testing::TestWithParam<Profile> {};

TEST_P(SmolLm2Golden, LogitsAreAsCloseToFp32AsBf16CanBe) {
  const std::string path = INVAR_SOURCE_DIR "/models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << ": ./dev model fetches it";
  const Golden golden = read_golden(golden_folder("smollm2-135m-instruct.safetensors"));
  const DecoderModel model = load_model(path);
  Machine machine(GetParam());
  const auto logits = logits_of_rows(model, machine.queue, golden.tokens, golden.rows);
  const double found = distance(pick_columns(logits, golden, model.config.vocab_size), golden);
  std::printf("distance %.5f, of transformers in bf16 %.5f\n", found, golden.bf16_rms);
  EXPECT_LE(found, kTimesBf16 * golden.bf16_rms);
}

INSTANTIATE_TEST_SUITE_P(Profiles, SmolLm2Golden, testing::ValuesIn(kAllProfiles),
                         [](const auto& info) { return std::string(profile_name(info.param)); });

}  // namespace
}  // namespace invar
