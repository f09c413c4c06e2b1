// RlStep: one step of reinforcement learning on one model: rollouts by the engine, rewards, advantages, an update by
// the trainer of the same weights, and the new weights back into the engine.
//
// All of it is a function of (configuration, weights, data cursor): what arrives when, how work is batched and how many
// threads there are changes no bit.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/weight_updater.h"
#include "io/json.h"
#include "rl/data.h"
#include "rl/filter.h"
#include "rl/rewards/reward.h"
#include "rl/tasks/task.h"
#include "rl/train_config.h"
#include "text/chat_template.h"
#include "train/advantage.h"
#include "train/policy_trainer.h"
#include "train/schedule.h"

namespace invar {

// What a command has opened; all must outlive the steps.
struct RlMachinery {
  Engine& engine;
  WeightUpdater& updater;
  PolicyTrainer& trainer;
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template;  // null: prompts are text
};

// A sample that was drawn.
struct RlSample {
  int64_t prompt;  // ordinal of the prompt's draw in the run
  int64_t index;   // in its group
  uint64_t seed;
  std::vector<int32_t> tokens;  // the prompt, then the response
  int64_t prompt_tokens;
  std::vector<float> log_probs;  // [response], the sampler's
  std::string text;              // of the response
  std::string prompt_text;       // as the model read it
  std::string label;             // what was expected
  FinishReason finish;
  float reward = 0;
  float advantage = 0;  // of its first token
  bool kept = false;    // trained on
};

struct RlStepResult {
  int64_t step = 0;
  std::vector<RlSample> samples;            // by (prompt, index)
  std::vector<PolicyUpdateReport> updates;  // empty where no group was left to train on
  double reward_mean = 0;                   // of all drawn
  double length_mean = 0;                   // response tokens
  double cut_off = 0;                       // part of the samples that reached max_tokens
  int64_t groups_dropped = 0;
  float learning_rate = 0;
  double rollout_s = 0, update_s = 0;  // wall time: information, in no hash
};

struct RlEval {
  double reward_mean = 0;
  int64_t prompts = 0;
  std::vector<std::string> texts;  // of the first few responses
};

class RlStep {
 public:
  // Errors: an unknown task, a file of prompts, a reward, a schedule that is refused; a chat without a template.
  static Result<std::unique_ptr<RlStep>> create(const TrainConfig& config, const RlMachinery& machinery);

  struct Hooks {
    std::function<bool()> interrupted;
    std::function<void(const std::string& what, double part)> progress;  // "rollout", 0.3
    std::function<double()> seconds;                                     // a clock, for the two wall times
  };
  // Step number `step`, from 0 on. Errors: "interrupted", and then nothing has changed but cached keys and values;
  // those of rewards and of the update.
  Result<RlStepResult> run(int64_t step, const Hooks& hooks);

  // Mean reward of the held-out prompts with greedy responses.
  Result<RlEval> evaluate(const Hooks& hooks);

  // All that the next step depends on beside weights, optimizer and configuration; a checkpoint holds it.
  //   taken  draws taken from the data so far
  Json state() const;
  // Errors: what state() cannot have given; then nothing has changed.
  Status restore(const Json& state);
  // Of the prompts' file, or the task's name: a resumed run checks it.
  std::string data_digest() const;

 private:
  struct Group {
    int64_t ordinal;
    Prompt prompt;
    std::string prompt_text;
    std::vector<int32_t> prompt_ids;
  };
  RlStep(const TrainConfig& config, const RlMachinery& machinery) : config_(config), machinery_(machinery) {}
  Status open();
  Prompt train_prompt(int64_t ordinal);
  Result<Group> make_group(int64_t ordinal, Prompt prompt) const;
  Result<std::vector<Group>> draw_groups(int64_t count);
  Request request_of(const Group& group, int64_t step) const;
  // Adds the samples of new groups, with rewards.
  Status roll_out(std::span<const Group> groups, int64_t step, const Hooks& hooks,
                  std::vector<RlSample>& samples);
  Result<std::vector<float>> rewards_of(std::span<const Group> groups, std::span<const RlSample> samples);
  Status update(RlStepResult& result, const Hooks& hooks);
  Result<std::vector<RequestResult>> generate(std::vector<Request> requests, const Hooks& hooks,
                                              const char* what);

  TrainConfig config_;
  RlMachinery machinery_;
  std::optional<Task> task_;
  std::optional<PromptSet> prompts_, eval_prompts_;
  std::optional<DataCursor> cursor_;
  std::optional<Reward> reward_;
  FilterOptions filter_;
  PolicyUpdateOptions update_options_;
  AdvantageKind advantage_kind_ = AdvantageKind::kGrpo;
  Schedule schedule_;
  int64_t taken_ = 0;
};

}  // namespace invar
