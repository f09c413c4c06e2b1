#include "rl/rl_step.h"

#include <algorithm>

#include "rl/seeds.h"
#include "text/chat_encoder.h"
#include "train/advantage.h"

namespace invar {
namespace {

// Responses of an evaluation that are kept to be looked at.
constexpr std::size_t kEvalTexts = 8;

const char* kOnlyGroups =
    "rollout.samples: this advantage compares the samples of a prompt; expected 2 or more, found 1";

bool needs_groups(AdvantageKind kind) {
  return kind != AdvantageKind::kReinforce && kind != AdvantageKind::kReinforcePlusPlus;
}

PolicyUpdateOptions update_options(const TrainConfig& config) {
  PolicyUpdateOptions options;
  // The names were checked when the configuration was read.
  options.loss.objective = *parse_policy_objective(config.algorithm.objective);
  options.loss.clip_low = static_cast<float>(config.algorithm.clip_low);
  options.loss.clip_high = static_cast<float>(config.algorithm.clip_high);
  options.loss.dual_clip = static_cast<float>(config.algorithm.dual_clip);
  options.loss.entropy_coefficient = static_cast<float>(config.algorithm.entropy_coefficient);
  options.aggregation = *parse_loss_aggregation(config.algorithm.aggregation);
  options.constant_length = config.algorithm.constant_length;
  options.optimizer = {.beta1 = static_cast<float>(config.optimizer.beta1),
                       .beta2 = static_cast<float>(config.optimizer.beta2),
                       .eps = static_cast<float>(config.optimizer.eps),
                       .weight_decay = static_cast<float>(config.optimizer.weight_decay),
                       .clip_norm = static_cast<float>(config.optimizer.clip_norm)};
  return options;
}

}  // namespace

Result<std::unique_ptr<RlStep>> RlStep::create(const TrainConfig& config, const RlMachinery& machinery) {
  std::unique_ptr<RlStep> step(new RlStep(config, machinery));
  INVAR_RETURN_IF_ERROR(step->open());
  return step;
}

Status RlStep::open() {
  if (config_.data.chat_template && machinery_.chat_template == nullptr)
    return error("data.chat_template: this model has no chat template; expected false");
  if (!config_.data.task.empty()) {
    INVAR_TRY(task_,
              Task::make({.name = config_.data.task,
                          .difficulty = config_.data.difficulty,
                          .seed = seed_of_use(static_cast<uint64_t>(config_.run.seed), SeedUse::kTask)}));
  } else {
    const DataOptions options{.prompt_key = config_.data.prompt_key,
                              .label_key = config_.data.label_key,
                              .metadata_key = config_.data.metadata_key,
                              .tools_key = config_.data.tools_key};
    INVAR_TRY(prompts_, PromptSet::read(config_.data.file, options));
    if (!config_.data.eval_file.empty()) {
      INVAR_TRY(eval_prompts_, PromptSet::read(config_.data.eval_file, options));
    }
    cursor_.emplace(
        DataCursor::Options{.rows = prompts_->size(),
                            .seed = seed_of_use(static_cast<uint64_t>(config_.run.seed), SeedUse::kShuffle),
                            .shuffle = config_.data.shuffle});
  }
  INVAR_TRY(reward_, Reward::make(config_.reward));
  filter_ = {.group_size = config_.rollout.samples,
             .groups_wanted = config_.rollout.groups,
             .groups_a_round = config_.rollout.groups_a_round,
             .rounds_max = config_.rollout.rounds_max,
             .drop_equal = config_.rollout.drop_equal,
             .shortage = config_.rollout.shortage == "fewer" ? Shortage::kFewer : Shortage::kFill};
  if (const auto decision = filter_groups(filter_, {}); !decision.ok())
    return error("rollout: {}", decision.message());
  update_options_ = update_options(config_);
  INVAR_RETURN_IF_ERROR(check(update_options_.optimizer));
  INVAR_TRY(advantage_kind_, parse_advantage_kind(config_.algorithm.advantage));
  if (needs_groups(advantage_kind_) && config_.rollout.samples < 2) return error("{}", kOnlyGroups);
  INVAR_TRY(const Decay decay, parse_decay(config_.optimizer.decay));
  schedule_ = {.decay = decay,
               .peak = config_.optimizer.learning_rate,
               .end = config_.optimizer.end_learning_rate,
               .warmup_steps = config_.optimizer.warmup_steps,
               .total_steps = std::max(config_.run.steps, config_.optimizer.warmup_steps + 1)};
  return check_schedule(schedule_);
}

Json RlStep::state() const { return {{"taken", taken_}}; }

Status RlStep::restore(const Json& state) {
  INVAR_TRY(const JsonObject object, JsonObject::from(state, "the state of a step"));
  INVAR_TRY(taken_, object.require_int("taken", 0, INT64_MAX));
  return Ok{};
}

std::string RlStep::data_digest() const {
  return task_ ? fmt::format("task {} {}", config_.data.task, config_.data.difficulty) : prompts_->digest();
}

Prompt RlStep::train_prompt(int64_t ordinal) {
  if (task_) return task_->sample(Split::kTrain, static_cast<uint64_t>(ordinal));
  return prompts_->at(cursor_->at(ordinal).row);
}

Result<RlStep::Group> RlStep::make_group(int64_t ordinal, Prompt prompt) const {
  Group group{.ordinal = ordinal, .prompt = std::move(prompt), .prompt_text = {}, .prompt_ids = {}};
  nlohmann::ordered_json messages = group.prompt.content;
  if (config_.data.chat_template) {
    if (messages.is_string())
      messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", messages}}});
    if (!config_.data.system.empty() && messages.front().value("role", "") != "system")
      messages.insert(messages.begin(), {{"role", "system"}, {"content", config_.data.system}});
    INVAR_TRY(EncodedPrompt encoded,
              encode_chat(machinery_.tokenizer, *machinery_.chat_template, messages, group.prompt.tools));
    group.prompt_text = std::move(encoded.text);
    group.prompt_ids = std::move(encoded.ids);
  } else {
    if (!messages.is_string()) return error("prompt {}: a chat, and data.chat_template is off", ordinal);
    group.prompt_text = config_.data.system + messages.get<std::string>();
    INVAR_TRY(group.prompt_ids, machinery_.tokenizer.encode(group.prompt_text));
  }
  return group;
}

Result<std::vector<RlStep::Group>> RlStep::draw_groups(int64_t count) {
  std::vector<Group> groups;
  for (int64_t i = 0; i < count; ++i) {
    INVAR_TRY(Group group, make_group(taken_ + i, train_prompt(taken_ + i)));
    groups.push_back(std::move(group));
  }
  return groups;
}

Request RlStep::request_of(const Group& group, int64_t step) const {
  Request request{.prompt = group.prompt_ids};
  request.sampling = {.temperature = static_cast<float>(config_.rollout.temperature),
                      .top_k = static_cast<int32_t>(config_.rollout.top_k),
                      .top_p = static_cast<float>(config_.rollout.top_p),
                      .seed = request_seed({.run_seed = static_cast<uint64_t>(config_.run.seed),
                                            .step = static_cast<uint64_t>(step),
                                            .prompt = static_cast<uint64_t>(group.ordinal)}),
                      .n = config_.rollout.samples,
                      .max_tokens = config_.rollout.max_tokens,
                      .stop = config_.rollout.stop};
  return request;
}

Result<std::vector<RequestResult>> RlStep::generate(std::vector<Request> requests, const Hooks& hooks,
                                                    const char* what) {
  Engine& engine = machinery_.engine;
  int64_t wanted = 0;
  for (const Request& request : requests) wanted += request.sampling.n * request.sampling.max_tokens;
  const int64_t before = engine.stats().output_tokens;
  bool stopped = false;
  INVAR_TRY(std::vector<RequestResult> results, engine.run(std::move(requests), [&] {
    stopped = hooks.interrupted && hooks.interrupted();
    if (hooks.progress)
      hooks.progress(
          what, static_cast<double>(engine.stats().output_tokens - before) / static_cast<double>(wanted));
    return stopped;
  }));
  if (stopped) return error("interrupted");
  for (std::size_t r = 0; r < results.size(); ++r) {
    for (const SampleResult& sample : results[r].samples) {
      if (sample.finish == FinishReason::kError) return error("prompt {} of the step: {}", r, sample.message);
    }
  }
  return results;
}

Result<std::vector<float>> RlStep::rewards_of(std::span<const Group> groups,
                                              std::span<const RlSample> samples) {
  std::vector<RewardInput> inputs;
  const auto size = samples.size() / groups.size();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Group& group = groups[i / size];
    inputs.push_back({.prompt = &group.prompt,
                      .prompt_text = group.prompt_text,
                      .response = samples[i].text,
                      .tokens = std::ssize(samples[i].log_probs)});
  }
  return reward_->score(inputs);
}

Status RlStep::roll_out(std::span<const Group> groups, int64_t step, const Hooks& hooks,
                        std::vector<RlSample>& samples) {
  std::vector<Request> requests;
  for (const Group& group : groups) requests.push_back(request_of(group, step));
  INVAR_TRY(std::vector<RequestResult> results, generate(std::move(requests), hooks, "rollout"));
  const std::size_t first = samples.size();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const PromptKey key{.run_seed = static_cast<uint64_t>(config_.run.seed),
                        .step = static_cast<uint64_t>(step),
                        .prompt = static_cast<uint64_t>(groups[g].ordinal)};
    for (std::size_t i = 0; i < results[g].samples.size(); ++i) {
      SampleResult& drawn = results[g].samples[i];
      RlSample sample{.prompt = groups[g].ordinal,
                      .index = static_cast<int64_t>(i),
                      .seed = sample_seed_of(key, i),
                      .tokens = groups[g].prompt_ids,
                      .prompt_tokens = std::ssize(groups[g].prompt_ids),
                      .log_probs = std::move(drawn.log_probs),
                      .text = std::move(drawn.text),
                      .prompt_text = groups[g].prompt_text,
                      .label = label_text(groups[g].prompt.label),
                      .finish = drawn.finish};
      sample.tokens.insert(sample.tokens.end(), drawn.tokens.begin(), drawn.tokens.end());
      samples.push_back(std::move(sample));
    }
  }
  INVAR_TRY(const std::vector<float> rewards, rewards_of(groups, std::span(samples).subspan(first)));
  for (std::size_t i = 0; i < rewards.size(); ++i) samples[first + i].reward = rewards[i];
  return Ok{};
}

Status RlStep::update(RlStepResult& result, const Hooks& hooks) {
  std::vector<RlSample*> kept;
  std::vector<float> rewards;
  std::vector<int64_t> lengths;
  for (RlSample& sample : result.samples) {
    if (!sample.kept) continue;
    kept.push_back(&sample);
    rewards.push_back(sample.reward);
    lengths.push_back(std::ssize(sample.log_probs));
  }
  if (kept.empty()) return Ok{};
  INVAR_TRY(const std::vector<float> advantages,
            token_advantages({.kind = advantage_kind_,
                              .batch = {.rewards = rewards, .tokens = lengths, .kl = {}},
                              .group_size = config_.rollout.samples}));
  std::vector<PolicySample> samples;
  std::size_t at = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto length = static_cast<std::size_t>(lengths[i]);
    kept[i]->advantage = advantages[at];
    samples.push_back({.tokens = kept[i]->tokens,
                       .prompt_tokens = kept[i]->prompt_tokens,
                       .temperature = static_cast<float>(config_.rollout.temperature),
                       .log_prob_old = kept[i]->log_probs,
                       .log_prob_ref = {},
                       .advantage = std::span(advantages).subspan(at, length)});
    at += length;
  }
  PolicyUpdateOptions options = update_options_;
  options.interrupted = hooks.interrupted;
  options.learning_rate = result.learning_rate;
  for (int64_t i = 0; i < config_.algorithm.updates; ++i) {
    options.number = result.step * config_.algorithm.updates + i + 1;
    options.on_policy = i == 0;
    if (hooks.progress)
      hooks.progress("update", static_cast<double>(i) / static_cast<double>(config_.algorithm.updates));
    INVAR_TRY(PolicyUpdateReport report, machinery_.trainer.update(samples, options));
    result.updates.push_back(std::move(report));
    if (i + 1 < config_.algorithm.updates) machinery_.trainer.write();
  }
  // Into the engine too: its cache, version and fingerprint go with them.
  std::vector<WeightUpdater::NamedWeight> weights;
  const std::span<const bf16> values = machinery_.trainer.optimizer().weights();
  for (const ParameterLayout::Named& named : machinery_.trainer.layout().named()) {
    weights.push_back({.name = named.place.spec.name,
                       .shape = named.place.spec.shape,
                       .values = values.subspan(static_cast<std::size_t>(named.begin),
                                                static_cast<std::size_t>(named.place.spec.elements()))});
  }
  INVAR_RETURN_IF_ERROR(machinery_.updater.replace(weights));
  machinery_.trainer.weights_written();
  return Ok{};
}

Result<RlStepResult> RlStep::run(int64_t step, const Hooks& hooks) {
  const auto now = [&] { return hooks.seconds ? hooks.seconds() : 0.0; };
  RlStepResult result{.step = step};
  result.learning_rate = learning_rate(schedule_, step);
  const int64_t taken = taken_;
  const double begin_s = now();
  const auto rolled_out = [&]() -> Status {
    std::vector<float> rewards;
    for (;;) {
      INVAR_TRY(const FilterDecision decision, filter_groups(filter_, rewards));
      if (decision.groups_to_draw == 0) {
        result.groups_dropped = decision.dropped;
        for (int64_t group : decision.kept) {
          for (int64_t i = 0; i < filter_.group_size; ++i)
            result.samples[static_cast<std::size_t>(group * filter_.group_size + i)].kept = true;
        }
        return Ok{};
      }
      INVAR_TRY(const std::vector<Group> groups, draw_groups(decision.groups_to_draw));
      taken_ += decision.groups_to_draw;
      const std::size_t first = result.samples.size();
      INVAR_RETURN_IF_ERROR(roll_out(groups, step, hooks, result.samples));
      for (std::size_t i = first; i < result.samples.size(); ++i) rewards.push_back(result.samples[i].reward);
    }
  };
  Status status = rolled_out();
  const double rolled_s = now();
  if (status.ok()) status = update(result, hooks);
  if (!status.ok()) {
    taken_ = taken;
    return std::move(status).take_error();
  }
  result.rollout_s = rolled_s - begin_s;
  result.update_s = now() - rolled_s;
  double reward = 0, length = 0, cut_off = 0;
  for (const RlSample& sample : result.samples) {
    reward += static_cast<double>(sample.reward);
    length += static_cast<double>(sample.log_probs.size());
    cut_off += sample.finish == FinishReason::kLength;
  }
  const auto count = static_cast<double>(result.samples.size());
  result.reward_mean = reward / count;
  result.length_mean = length / count;
  result.cut_off = cut_off / count;
  return result;
}

Result<RlEval> RlStep::evaluate(const Hooks& hooks) {
  std::vector<Group> groups;
  const int64_t count =
      task_ ? config_.data.eval_prompts
            : (eval_prompts_ ? std::min(config_.data.eval_prompts, eval_prompts_->size()) : 0);
  for (int64_t i = 0; i < count; ++i) {
    INVAR_TRY(Group group, make_group(i, task_ ? task_->sample(Split::kHeldOut, static_cast<uint64_t>(i))
                                               : eval_prompts_->at(i)));
    groups.push_back(std::move(group));
  }
  RlEval result{.prompts = count};
  if (count == 0) return result;
  std::vector<Request> requests;
  for (const Group& group : groups) {
    Request request{.prompt = group.prompt_ids};
    request.sampling = {
        .temperature = 0, .max_tokens = config_.rollout.max_tokens, .stop = config_.rollout.stop};
    requests.push_back(std::move(request));
  }
  INVAR_TRY(const std::vector<RequestResult> results, generate(std::move(requests), hooks, "eval"));
  std::vector<RlSample> samples;
  for (const RequestResult& drawn : results) {
    RlSample sample{};
    sample.log_probs = drawn.samples.front().log_probs;
    sample.text = drawn.samples.front().text;
    samples.push_back(std::move(sample));
  }
  INVAR_TRY(const std::vector<float> rewards, rewards_of(groups, samples));
  double sum = 0;
  for (float reward : rewards) sum += static_cast<double>(reward);
  result.reward_mean = sum / static_cast<double>(count);
  for (std::size_t i = 0; i < std::min(kEvalTexts, samples.size()); ++i)
    result.texts.push_back(samples[i].text);
  return result;
}

}  // namespace invar
