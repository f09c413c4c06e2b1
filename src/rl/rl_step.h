// RlStep: one step of reinforcement learning on one model: rollouts by the engine, rewards, advantages, an update by
// the trainer of the same weights, and the new weights back into the engine. Or, with the objective "sft", one of
// supervised fine-tuning: rows of the data with their answers, and the update.
//
// All of it is a function of (configuration, weights, state): what arrives when, how work is batched and how many
// threads there are changes no bit.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/weight_updater.h"
#include "io/json.h"
#include "rl/evaluation.h"
#include "rl/filter.h"
#include "rl/prompt_source.h"
#include "rl/rewards/reward.h"
#include "rl/rollout.h"
#include "rl/train_config.h"
#include "train/advantage.h"
#include "train/policy_trainer.h"
#include "train/reference_model.h"
#include "train/schedule.h"

namespace invar {

// What a command has opened; all must outlive the steps.
struct RlMachinery {
  Engine& engine;
  WeightUpdater& updater;
  PolicyTrainer& trainer;
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template;    // null: prompts are text
  ReferenceModel* reference = nullptr;  // the model of reference_path(config); null where that is ""
};

struct RlStepResult {
  int64_t step = 0;
  std::vector<RlSample> samples;            // of the groups that were trained on or dropped, by (prompt, index)
  std::vector<PolicyUpdateReport> updates;  // empty where no group was left to train on
  // Of all `samples`; 0 where there are none.
  double reward_mean = 0;
  double length_mean = 0;  // response tokens
  double cut_off = 0;      // part of the samples that reached max_tokens
  int64_t groups_dropped = 0;
  int64_t drawn_tokens = 0;       // by this step, for whichever sample; fine-tuning: learnt ones
  bool in_part = false;           // there is a token budget
  int64_t off_policy_tokens = 0;  // trained on, drawn by earlier steps
  int64_t carried_samples = 0;    // not trained on yet: the next step goes on with them
  std::optional<double> kl;       // to the reference model: mean over the tokens trained on, of kl_kind
  float learning_rate = 0;
  double rollout_s = 0, update_s = 0;  // wall time: information, in no hash
};

struct RlEval {
  double reward_mean = 0;  // fine-tuning: the mean log-prob of the answers' tokens
  int64_t prompts = 0;
  std::vector<std::string> texts;  // of the first few responses
};

class RlStep {
 public:
  using Hooks = RlHooks;

  // Errors: an unknown task, a file of prompts, a reward, a schedule that is refused; a chat without a template.
  static Result<std::unique_ptr<RlStep>> create(const TrainConfig& config, const RlMachinery& machinery);

  // Step number `step`, from 0 on. Errors: "interrupted", which is noticed within 100 ms where a reward is waited for;
  // those of rewards and of the update. Whatever the error, weights, optimizer and state are as they were.
  Result<RlStepResult> run(int64_t step, const Hooks& hooks);

  // Mean reward of the held-out prompts with greedy responses; fine-tuning scores their answers.
  Result<RlEval> evaluate(const Hooks& hooks);

  // All that the next step depends on beside weights, optimizer and configuration; a checkpoint holds it.
  //   taken    draws taken from the data so far
  //   carried  groups that are not trained on yet (rollout_state.h)
  Json state() const;
  // Errors: what state() cannot have given; then nothing has changed.
  Status restore(const Json& state);
  // Of the prompts' file, or the task's name: a resumed run checks it.
  std::string data_digest() const { return prompts_->digest(); }

 private:
  // What a step leaves behind, if it comes to its end.
  struct Draft {
    int64_t taken;
    std::vector<RolloutGroup> groups;
  };
  RlStep(const TrainConfig& config, const RlMachinery& machinery) : config_(config), machinery_(machinery) {}
  Status open();
  Result<RolloutGroup> make_group(int64_t ordinal, int64_t step);
  Status draw_groups(int64_t count, int64_t step, Draft& draft);
  Status roll_out(Draft& draft, RlStepResult& result, const Hooks& hooks);
  Status roll_out_in_part(Draft& draft, RlStepResult& result, const Hooks& hooks);
  Status update(RlStepResult& result, const Hooks& hooks);
  // algorithm.updates of them, and the weights into the engine. On an error nothing has changed.
  Status take_updates(std::span<const PolicySample> samples, RlStepResult& result, const Hooks& hooks);
  // Supervised fine-tuning: a step of rows with answers instead of rollouts.
  bool fine_tunes() const { return update_options_.loss.objective == PolicyObjective::kCrossEntropy; }
  Status fine_tune(Draft& draft, RlStepResult& result, const Hooks& hooks);
  Result<RlEval> score_held_out(const Hooks& hooks);

  TrainConfig config_;
  RlMachinery machinery_;
  std::optional<PromptSource> prompts_;
  std::optional<Reward> reward_;
  FilterOptions filter_;
  RolloutOptions rollout_;
  PolicyUpdateOptions update_options_;
  AdvantageKind advantage_kind_ = AdvantageKind::kGrpo;
  KlEstimator kl_kind_ = KlEstimator::kK3;
  Schedule schedule_;
  int64_t taken_ = 0;
  std::vector<RolloutGroup> carried_;  // by ordinal
};

}  // namespace invar
