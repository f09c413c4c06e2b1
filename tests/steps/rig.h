// A tiny model with all that steps of training need.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/session.h"
#include "rl/rl_step.h"
#include "text/tokenizer_testing.h"

namespace invar {

// GPT-2's character for a byte, as UTF-8: printable bytes stand for themselves.
inline std::string byte_character(int byte) {
  int code = 0, others = 0;
  for (int b = 0; b <= byte; ++b) {
    const bool printable = (b >= 33 && b < 127) || (b >= 161 && b < 173) || b >= 174;
    code = printable ? b : 256 + others++;
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

// A folder with the golden model `name`, one token for each byte as far as its 199 ids go, and a chat template that is
// the message alone.
inline std::string tiny_model_folder(const std::string& name) {
  namespace fs = std::filesystem;
  const std::string folder = testing::TempDir() + "invar_steps_" + name + "_" + std::to_string(::getpid());
  fs::create_directories(folder);
  const std::string golden = std::string(INVAR_SOURCE_DIR) + "/tests/goldens/models/" + name;
  for (const char* file : {"model.safetensors", "config.json"})
    fs::copy_file(golden + "/" + file, folder + "/" + file, fs::copy_options::overwrite_existing);
  Json vocab = {{"<|end|>", 0}};
  for (int byte = 10; byte < 230 && vocab.size() < 199; ++byte) {
    if (byte == 10 || (byte >= 32 && byte < 127) || byte >= 128) vocab[byte_character(byte)] = vocab.size();
  }
  const Json end = {{"id", 0},         {"content", "<|end|>"}, {"single_word", false}, {"lstrip", false},
                    {"rstrip", false}, {"normalized", false},  {"special", true}};
  std::ofstream(folder + "/tokenizer.json") << byte_level_json(vocab, true, Json::array({end}));
  std::ofstream(folder + "/tokenizer_config.json") << R"({"eos_token": "<|end|>"})";
  std::ofstream(folder + "/chat_template.jinja") << "{% for m in messages %}{{ m['content'] }}\n{% endfor %}";
  return folder;
}

struct RigOptions {
  int threads = 2;
  int64_t max_running = 64, prefill_rows = 256, micro_batch_rows = 2048;
  int ranks = 1;
};

class Rig {
 public:
  explicit Rig(const std::vector<std::string>& sets = {}, const RigOptions& options = {}) : options_(options) {
    const std::string folder = tiny_model_folder("llama");
    session_ = value(open_session({.path = folder,
                                   .threads = options.threads,
                                   .step_rows = options.prefill_rows,
                                   .batch_max = options.max_running,
                                   .kv_mib = 64}));
    updater_ = std::make_unique<WeightUpdater>(session_->model, session_->digest, *session_->queue,
                                               *session_->executor, *session_->engine);
    trainer_ =
        std::make_unique<PolicyTrainer>(session_->model, *session_->queue, options.micro_batch_rows,
                                        PolicyTrainerRanks{.local = options.ranks});
    configure(sets);
  }

  // Goes on with the same weights and other settings.
  void configure(const std::vector<std::string>& sets) {
    const std::string text = "[model]\npath = \"" + session_->weights.path() + R"("
[run]
seed = 11
[data]
task = "reverse"
eval_prompts = 3
[rollout]
groups = 3
samples = 4
max_tokens = 14
temperature = 1.25
[reward]
kind = "regex"
pattern = "[a-m]"
[optimizer]
learning_rate = 1e-3
)";
    config_ = value(parse_train_config(text, "rig", sets));
    reference_ = nullptr;
    if (!reference_path(config_).empty())
      reference_ = value(open_reference(reference_path(config_), *session_, options_.micro_batch_rows));
    steps_ = value(RlStep::create(config_, {.engine = *session_->engine,
                                            .updater = *updater_,
                                            .trainer = *trainer_,
                                            .tokenizer = session_->tokenizer,
                                            .chat_template = &*session_->chat_template,
                                            .reference = reference_.get()}));
  }

  RlStepResult run(int64_t step) { return value(steps_->run(step, {})); }
  RlStep& steps() { return *steps_; }
  PolicyTrainer& trainer() { return *trainer_; }
  Session& session() { return *session_; }

  // Everything that must not change where a step fails.
  std::string weights() {
    const std::string model = WeightDigest::of(session_->model, *session_->pool).combined();
    return model + " " + updater_->digest().combined() + " " + trainer_->optimizer().digest(*session_->pool);
  }

  template <class T>
  static T value(Result<T> result) {
    INVAR_CHECK(result.ok(), "{}", result.message());
    return std::move(result).value();
  }

 private:
  RigOptions options_;
  TrainConfig config_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<WeightUpdater> updater_;
  std::unique_ptr<PolicyTrainer> trainer_;
  std::unique_ptr<ReferenceModel> reference_;
  std::unique_ptr<RlStep> steps_;
};

// All that a step's result says about samples and the update, wall times apart.
inline std::string text_of(const RlStepResult& result) {
  std::string text = fmt::format("step {} drawn {} off policy {} carried {} dropped {}\n", result.step,
                                 result.drawn_tokens, result.off_policy_tokens, result.carried_samples,
                                 result.groups_dropped);
  for (const RlSample& sample : result.samples) {
    text += fmt::format("{}.{} reward {} advantage {} kept {} carried {} finish {} text {}:", sample.prompt,
                        sample.index, sample.reward, sample.advantage, sample.kept, sample.carried_tokens,
                        static_cast<int>(sample.finish), sample.text);
    for (std::size_t t = 0; t < sample.log_probs.size(); ++t)
      text += fmt::format(" {}/{}/{}", sample.response()[t], sample.log_probs[t], sample.token_ends[t]);
    text += "\n";
  }
  if (result.kl) text += fmt::format("kl {}\n", *result.kl);
  for (const PolicyUpdateReport& update : result.updates)
    text += fmt::format("loss {} kl {} gradient {} differing {}\n", update.loss, update.kl_ref,
                        update.gradient_digest, update.differing_log_probs);
  return text;
}

}  // namespace invar
