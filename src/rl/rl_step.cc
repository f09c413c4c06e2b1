#include "rl/rl_step.h"

#include <algorithm>

#include "rl/rollout_state.h"
#include "rl/seeds.h"

namespace invar {
namespace {

// Responses of an evaluation that are kept to be looked at.
constexpr std::size_t kEvalTexts = 8;

const char* kOnlyGroups =
    "rollout.samples: this advantage compares the samples of a prompt; expected 2 or more, found 1";

bool needs_groups(AdvantageKind kind) {
  return kind != AdvantageKind::kReinforce && kind != AdvantageKind::kReinforcePlusPlus;
}

// The names were checked when the configuration was read.
PolicyUpdateOptions update_options(const TrainConfig& config) {
  const TrainConfig::Algorithm& algorithm = config.algorithm;
  PolicyUpdateOptions options;
  options.loss.objective = *parse_policy_objective(algorithm.objective);
  options.loss.clip_low = static_cast<float>(algorithm.clip_low);
  options.loss.clip_high = static_cast<float>(algorithm.clip_high);
  options.loss.dual_clip = static_cast<float>(algorithm.dual_clip);
  options.loss.entropy_coefficient = static_cast<float>(algorithm.entropy_coefficient);
  if (algorithm.kl_coefficient > 0 && algorithm.kl_in == "loss") {
    options.loss.kl = *parse_kl_estimator(algorithm.kl_kind);
    options.loss.kl_coefficient = static_cast<float>(algorithm.kl_coefficient);
  }
  options.aggregation = *parse_loss_aggregation(algorithm.aggregation);
  options.constant_length = algorithm.constant_length;
  options.optimizer = {.beta1 = static_cast<float>(config.optimizer.beta1),
                       .beta2 = static_cast<float>(config.optimizer.beta2),
                       .eps = static_cast<float>(config.optimizer.eps),
                       .weight_decay = static_cast<float>(config.optimizer.weight_decay),
                       .clip_norm = static_cast<float>(config.optimizer.clip_norm)};
  return options;
}

RolloutOptions rollout_options(const TrainConfig& config) {
  return {.temperature = static_cast<float>(config.rollout.temperature),
          .top_p = static_cast<float>(config.rollout.top_p),
          .top_k = static_cast<int32_t>(config.rollout.top_k),
          .max_tokens = config.rollout.max_tokens,
          .stop = config.rollout.stop,
          .ignore_eos = config.rollout.ignore_eos,
          .token_budget = config.rollout.token_budget};
}

std::vector<float> rewards_of(std::span<RolloutGroup* const> groups) {
  std::vector<float> rewards;
  for (const RolloutGroup* group : groups) {
    for (const RlSample& sample : group->samples) rewards.push_back(sample.reward);
  }
  return rewards;
}

void add_samples(const RolloutGroup& group, bool kept, RlStepResult& result) {
  for (const RlSample& sample : group.samples) {
    result.samples.push_back(sample);
    result.samples.back().kept = kept;
  }
}

void summarise(RlStepResult& result) {
  if (result.samples.empty()) return;
  double reward = 0, length = 0, cut_off = 0;
  for (const RlSample& sample : result.samples) {
    reward += static_cast<double>(sample.reward);
    length += static_cast<double>(sample.log_probs.size());
    cut_off += sample.finish == FinishReason::kLength;
    if (sample.kept) result.off_policy_tokens += sample.carried_tokens;
  }
  const auto count = static_cast<double>(result.samples.size());
  result.reward_mean = reward / count;
  result.length_mean = length / count;
  result.cut_off = cut_off / count;
}

}  // namespace

Result<std::unique_ptr<RlStep>> RlStep::create(const TrainConfig& config, const RlMachinery& machinery) {
  std::unique_ptr<RlStep> step(new RlStep(config, machinery));
  INVAR_RETURN_IF_ERROR(step->open());
  return step;
}

Status RlStep::open() {
  INVAR_CHECK((machinery_.reference != nullptr) == !reference_path(config_).empty(), "reference \"{}\"",
              reference_path(config_));
  INVAR_TRY(prompts_, PromptSource::open(config_, machinery_.tokenizer, machinery_.chat_template));
  update_options_ = update_options(config_);
  if (!fine_tunes()) {
    INVAR_TRY(reward_, Reward::make(config_.reward));
  }
  filter_ = {.group_size = config_.rollout.samples,
             .groups_wanted = config_.rollout.groups,
             .groups_a_round = config_.rollout.groups_a_round,
             .rounds_max = config_.rollout.rounds_max,
             .drop_equal = config_.rollout.drop_equal,
             .shortage = config_.rollout.shortage == "fewer" ? Shortage::kFewer : Shortage::kFill};
  if (const auto decision = filter_groups(filter_, {}); !decision.ok())
    return error("rollout: {}", decision.message());
  rollout_ = rollout_options(config_);
  INVAR_RETURN_IF_ERROR(check(update_options_.optimizer));
  INVAR_TRY(advantage_kind_, parse_advantage_kind(config_.algorithm.advantage));
  INVAR_TRY(kl_kind_, parse_kl_estimator(config_.algorithm.kl_kind));
  if (!fine_tunes() && needs_groups(advantage_kind_) && config_.rollout.samples < 2) return error("{}", kOnlyGroups);
  INVAR_TRY(const Decay decay, parse_decay(config_.optimizer.decay));
  schedule_ = {.decay = decay,
               .peak = config_.optimizer.learning_rate,
               .end = config_.optimizer.end_learning_rate,
               .warmup_steps = config_.optimizer.warmup_steps,
               .total_steps = std::max(config_.run.steps, config_.optimizer.warmup_steps + 1)};
  return check_schedule(schedule_);
}

Json RlStep::state() const { return {{"taken", taken_}, {"carried", rollout_state(carried_)}}; }

Status RlStep::restore(const Json& state) {
  INVAR_TRY(const JsonObject object, JsonObject::from(state, "the state of a step"));
  INVAR_TRY(const int64_t taken, object.require_int("taken", 0, INT64_MAX / 2));
  const Json* list = object.find("carried");
  std::vector<RolloutGroup> carried;
  if (list != nullptr) {
    INVAR_TRY(carried,
              read_rollout_state(*list, machinery_.tokenizer,
                                 {.max_tokens = rollout_.max_tokens, .stop = rollout_.stop},
                                 [this](int64_t ordinal, int64_t step) { return make_group(ordinal, step); }));
  }
  if (!carried.empty() && rollout_.token_budget == 0)
    return error("rollout.token_budget: the state has {} groups that are not at their end; expected a budget",
                 carried.size());
  if (!carried.empty() && carried.back().ordinal >= taken)
    return error("carried groups: expected those of the {} draws so far, found draw {}", taken, carried.back().ordinal);
  taken_ = taken;
  carried_ = std::move(carried);
  return Ok{};
}

Result<RolloutGroup> RlStep::make_group(int64_t ordinal, int64_t step) {
  Prompt prompt = prompts_->train(ordinal);
  auto encoded = prompts_->encode(prompt);
  if (!encoded.ok()) return error("prompt {}: {}", ordinal, encoded.message());
  const uint64_t seed = request_seed({.run_seed = static_cast<uint64_t>(config_.run.seed),
                                      .step = static_cast<uint64_t>(step),
                                      .prompt = static_cast<uint64_t>(ordinal)});
  return empty_group(ordinal, step, seed, std::move(prompt), std::move(encoded).value(),
                     config_.rollout.samples);
}

Status RlStep::draw_groups(int64_t count, int64_t step, Draft& draft) {
  for (int64_t i = 0; i < count; ++i) {
    INVAR_TRY(RolloutGroup group, make_group(draft.taken, step));
    draft.groups.push_back(std::move(group));
    ++draft.taken;
  }
  return Ok{};
}

// Whole samples, in as many rounds as the filter asks for.
Status RlStep::roll_out(Draft& draft, RlStepResult& result, const Hooks& hooks) {
  std::vector<float> rewards;
  for (;;) {
    INVAR_TRY(const FilterDecision decision, filter_groups(filter_, rewards));
    if (decision.groups_to_draw == 0) {
      result.groups_dropped = decision.dropped;
      std::vector<bool> kept(draft.groups.size());
      for (int64_t group : decision.kept) kept[static_cast<std::size_t>(group)] = true;
      for (std::size_t g = 0; g < kept.size(); ++g) add_samples(draft.groups[g], kept[g], result);
      draft.groups.clear();
      return Ok{};
    }
    const std::size_t first = draft.groups.size();
    INVAR_RETURN_IF_ERROR(draw_groups(decision.groups_to_draw, result.step, draft));
    const std::span<RolloutGroup> fresh = std::span(draft.groups).subspan(first);
    INVAR_TRY(const int64_t tokens,
              draw(machinery_.engine, machinery_.tokenizer, fresh, rollout_, hooks, "rollout"));
    result.drawn_tokens += tokens;
    std::vector<RolloutGroup*> all;
    for (RolloutGroup& group : fresh) all.push_back(&group);
    INVAR_RETURN_IF_ERROR(score(*reward_, all, hooks.interrupted));
    for (float reward : rewards_of(all)) rewards.push_back(reward);
  }
}

// As far as the budget lasts: groups_a_round groups are under way, those at their end can be trained on.
Status RlStep::roll_out_in_part(Draft& draft, RlStepResult& result, const Hooks& hooks) {
  INVAR_RETURN_IF_ERROR(
      draw_groups(filter_.groups_a_round - std::ssize(draft.groups), result.step, draft));
  INVAR_TRY(result.drawn_tokens,
            draw(machinery_.engine, machinery_.tokenizer, draft.groups, rollout_, hooks, "rollout"));
  std::vector<RolloutGroup*> done, unscored;
  for (RolloutGroup& group : draft.groups) {
    if (!group.done()) continue;
    done.push_back(&group);
    if (!group.scored) unscored.push_back(&group);
  }
  if (!unscored.empty()) INVAR_RETURN_IF_ERROR(score(*reward_, unscored, hooks.interrupted));
  std::vector<bool> leaves(done.size());
  if (!done.empty()) {
    FilterOptions filter = filter_;
    filter.groups_a_round = std::ssize(done);
    INVAR_TRY(const FilterDecision decision, filter_groups(filter, rewards_of(done)));
    result.groups_dropped = decision.dropped;
    leaves.assign(done.size(), true);
    for (int64_t group : decision.surplus_groups) leaves[static_cast<std::size_t>(group)] = false;
    std::vector<bool> kept(done.size());
    for (int64_t group : decision.kept) kept[static_cast<std::size_t>(group)] = true;
    for (std::size_t g = 0; g < done.size(); ++g) {
      if (leaves[g]) add_samples(*done[g], kept[g], result);
    }
  }
  std::vector<RolloutGroup> carried;
  std::size_t at = 0;
  for (RolloutGroup& group : draft.groups) {
    if (group.done() && leaves[at++]) continue;
    result.carried_samples += std::ssize(group.samples);
    carried.push_back(std::move(group));
  }
  draft.groups = std::move(carried);
  return Ok{};
}

Result<RlStepResult> RlStep::run(int64_t step, const Hooks& hooks) {
  const auto now = [&] { return hooks.seconds ? hooks.seconds() : 0.0; };
  RlStepResult result{.step = step, .in_part = rollout_.token_budget > 0};
  result.learning_rate = learning_rate(schedule_, step);
  const double begin_s = now();
  Draft draft{.taken = taken_, .groups = carried_};
  for (RolloutGroup& group : draft.groups) {
    for (RlSample& sample : group.samples) sample.carried_tokens = std::ssize(sample.log_probs);
  }
  if (!fine_tunes())
    INVAR_RETURN_IF_ERROR(result.in_part ? roll_out_in_part(draft, result, hooks)
                                         : roll_out(draft, result, hooks));
  const double rolled_s = now();
  INVAR_RETURN_IF_ERROR(fine_tunes() ? fine_tune(draft, result, hooks) : update(result, hooks));
  taken_ = draft.taken;
  carried_ = std::move(draft.groups);
  result.rollout_s = rolled_s - begin_s;
  result.update_s = now() - rolled_s;
  summarise(result);
  return result;
}

Result<RlEval> RlStep::evaluate(const Hooks& hooks) {
  if (fine_tunes()) return score_held_out(hooks);
  EvaluationOptions options{.rollout = rollout_, .samples = 1,
                            .run_seed = static_cast<uint64_t>(config_.run.seed)};
  options.rollout.temperature = 0;
  options.rollout.token_budget = 0;
  options.rollout.top_p = 1;
  options.rollout.top_k = 0;
  INVAR_TRY(const Evaluation found, invar::evaluate(machinery_.engine, machinery_.tokenizer, *prompts_, *reward_,
                                                    options, hooks));
  RlEval result{.reward_mean = found.reward.mean, .prompts = std::ssize(found.groups)};
  for (std::size_t i = 0; i < std::min(kEvalTexts, found.groups.size()); ++i)
    result.texts.push_back(found.groups[i].samples.front().text);
  return result;
}

}  // namespace invar
