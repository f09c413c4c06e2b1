#include "rl_run.h"

#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/model_executor.h"
#include "engine/weight_updater.h"
#include "model/fingerprint.h"
#include "model/golden_testing.h"
#include "rl/rl_step.h"
#include "text/tokenizer_testing.h"

namespace invar {
namespace {

constexpr int64_t kPromptMin = 30, kPromptMax = 36, kOutputMax = 8;
constexpr int64_t kGroups = 2, kSamples = 4;

// A token for each printable character of ASCII, as byte-level BPE writes them.
const Tokenizer& letters() {
  static const Tokenizer tokenizer = [] {
    Json vocab;
    for (int c = '!'; c <= '~'; ++c) vocab[std::string(1, static_cast<char>(c))] = c - '!';
    return byte_level_tokenizer(vocab);
  }();
  return tokenizer;
}

// Prompts of many lengths, so near each other that rows for n of the longest samples never hold n + 1.
std::string prompts_file() {
  static const std::string path = [] {
    std::string file = testing::TempDir() + fmt::format("/invar_prompts_{}.jsonl", getpid());
    std::ofstream out(file);
    for (int64_t length = kPromptMin; length <= kPromptMax; ++length) {
      std::string text;
      for (int64_t i = 0; i < length; ++i) text += static_cast<char>('a' + (i * i + 5 * length) % 26);
      out << nlohmann::json{{"input", text}}.dump() << "\n";
    }
    return file;
  }();
  return path;
}

TrainConfig rl_config(int64_t steps) {
  TrainConfig config;
  config.run.seed = 11;
  config.run.steps = steps;
  config.data.file = prompts_file();
  config.data.chat_template = false;
  config.rollout.groups = config.rollout.groups_a_round = kGroups;
  config.rollout.samples = kSamples;
  config.rollout.max_tokens = kOutputMax;
  config.rollout.temperature = 1.25;
  config.reward.kind = "regex";
  config.reward.regex.pattern = "[a-m]";
  config.reward.length_weight = 0.25f;  // responses that end early differ in reward
  config.reward.length_target = 4;
  config.algorithm.aggregation = "sequence";  // every sample has another weight
  config.algorithm.entropy_coefficient = 0.01;
  config.algorithm.updates = 2;  // the second one is off policy: ratios, clipping
  config.optimizer.learning_rate = 5e-3;
  config.optimizer.weight_decay = 0.1;
  return config;
}

template <class T>
T expect(Result<T> result) {
  INVAR_CHECK(result.ok(), "{}", result.message());
  return std::move(*result);
}

}  // namespace

RlOutcome run_rl(const std::string& name, Profile profile, int64_t steps, const RlSetting& setting) {
  DecoderModel model = load_model(golden_folder(name));
  ThreadPool pool(setting.threads);
  Queue queue(pool, profile, setting.tier);
  WeightDigest digest = WeightDigest::of(model, pool);
  const auto executor =
      expect(ModelExecutor::create(model, queue,
                                   {.rows_max = setting.rollout_rows + setting.rollout_batch,
                                    .page_size = 16,
                                    .kv_bytes = 64 * ModelExecutor::page_bytes(model, 16),
                                    .running = setting.rollout_batch},
                                   expect(model_fingerprint(model.config, profile, digest.combined()))));
  EngineOptions engine_options{.prefill_rows = setting.rollout_rows,
                               .max_running = setting.rollout_batch,
                               .eos_ids = {},
                               .tokenizer = &letters()};
  for (int32_t id = 3; id < model.config.vocab_size; id += 9) engine_options.eos_ids.push_back(id);
  const auto engine = expect(Engine::create(*executor, queue, std::move(engine_options)));
  WeightUpdater updater(model, std::move(digest), queue, *executor, *engine);
  PolicyTrainer trainer(model, queue, setting.micro_batch * (kPromptMax + kOutputMax - 1),
                        {.local = setting.ranks, .pack = setting.pack});
  const auto rl = expect(RlStep::create(rl_config(steps), {.engine = *engine,
                                                           .updater = updater,
                                                           .trainer = trainer,
                                                           .tokenizer = letters(),
                                                           .chat_template = nullptr}));
  RlOutcome outcome;
  for (int64_t step = 0; step < steps; ++step) {
    const RlStepResult result = expect(rl->run(step, {}));
    const auto tell = [&](const char* what, auto value) {
      outcome.push_back(fmt::format("step {}: {} {}", step + 1, what, value));
    };
    int64_t tokens = 0;
    for (const RlSample& sample : result.samples) tokens += std::ssize(sample.log_probs);
    tell("response tokens", tokens);
    for (const PolicyUpdateReport& update : result.updates) {
      tell("gradients", update.gradient_digest);
      tell("loss", std::bit_cast<uint64_t>(update.loss));
      tell("entropy", std::bit_cast<uint64_t>(update.entropy));
      tell("KL", std::bit_cast<uint64_t>(update.kl_old));
      tell("largest ratio", std::bit_cast<uint64_t>(update.ratio_max));
      tell("clipped", std::bit_cast<uint64_t>(update.clipped));
      tell("other log-probs", update.differing_log_probs);
    }
    tell("optimizer", trainer.optimizer().digest(pool));
    tell("weights", updater.digest().combined());
    INVAR_CHECK(WeightDigest::of(model, pool).combined() == updater.digest().combined(), "step {}", step);
  }
  return outcome;
}

}  // namespace invar
