#include "rl/rewards/reward.h"

#include <algorithm>

#include "io/quote.h"
#include "rl/rewards/boxed_reward.h"

namespace invar {
namespace {

Result<float> score_countdown(const RewardInput& input, std::string_view response,
                              const CountdownOptions& options) {
  INVAR_TRY(const JsonObject metadata, JsonObject::from(input.prompt->metadata, "metadata"));
  constexpr int64_t kMax = int64_t{1} << 53;
  INVAR_TRY(const std::vector<int64_t> numbers, metadata.get_ints("numbers", 0, kMax));
  INVAR_TRY(const int64_t target, metadata.require_int("target", -kMax, kMax));
  if (numbers.empty()) return metadata.mismatch("numbers", "a list of integers");
  return countdown_reward(response, numbers, target, options);
}

Status check_overlong(const RewardOptions& options) {
  if (!options.overlong) return Ok{};
  INVAR_RETURN_IF_ERROR(overlong_penalty(0, *options.overlong));
  return Ok{};
}

}  // namespace

Result<Reward> Reward::make(const RewardOptions& options) {
  INVAR_RETURN_IF_ERROR(check_overlong(options));
  Reward reward;
  reward.options_ = options;
  reward.kind_ = options.kind;
  if (constexpr std::string_view kPrefix = "boxed_"; reward.kind_.starts_with(kPrefix)) {
    reward.boxed_only_ = true;
    reward.kind_.erase(0, kPrefix.size());
  }
  const std::string& kind = reward.kind_;
  constexpr std::string_view kPlain[] = {"exact", "numeric", "boxed", "countdown"};
  const bool plain = std::find(std::begin(kPlain), std::end(kPlain), kind) != std::end(kPlain);
  const bool may_be_boxed = kind == "exact" || kind == "numeric" || kind == "regex";
  if ((!plain && kind != "regex" && kind != "program" && kind != "remote") ||
      (reward.boxed_only_ && !may_be_boxed))
    return error(
        "reward: expected exact, numeric, boxed, countdown, regex, program, remote, boxed_exact, "
        "boxed_numeric or "
        "boxed_regex, found {}",
        quote(options.kind));
  if (kind == "regex") {
    INVAR_TRY(reward.state_, RegexReward::compile(options.regex));
  } else if (kind == "program") {
    INVAR_TRY(reward.state_, ProgramReward::start(options.program));
  } else if (kind == "remote") {
    INVAR_TRY(reward.state_, RemoteReward::make(options.remote));
  }
  return reward;
}

Result<float> Reward::text_score(const RewardInput& input) const {
  std::string_view response = input.response;
  if (boxed_only_) response = last_boxed(response).value_or(std::string_view());
  if (kind_ == "countdown") return score_countdown(input, response, options_.countdown);
  const std::string label = label_text(input.prompt->label);
  if (kind_ == "regex") return std::get<RegexReward>(state_).score(response, label);
  if (label.empty())
    return error("label: expected one for the reward {}, found none; label_key names its key in the data",
                 options_.kind);
  if (kind_ == "numeric") return numeric_reward(response, label, options_.numeric);
  if (kind_ == "boxed") return boxed_reward(response, label);
  return exact_reward(response, label, options_.exact);
}

Result<std::vector<float>> Reward::base_scores(std::span<const RewardInput> inputs) {
  if (auto* program = std::get_if<ProgramReward>(&state_)) return program->score(inputs);
  if (auto* remote = std::get_if<RemoteReward>(&state_)) return remote->score(inputs);
  std::vector<float> scores;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Result<float> score = text_score(inputs[i]);
    if (!score.ok()) return error("sample {}: {}", i, score.message());
    scores.push_back(*score);
  }
  return scores;
}

Result<std::vector<float>> Reward::score(std::span<const RewardInput> inputs) {
  INVAR_TRY(std::vector<float> scores, base_scores(inputs));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (options_.format_weight != 0)
      scores[i] = scores[i] + options_.format_weight * think_answer_format_reward(inputs[i].response);
    if (options_.overlong) {
      INVAR_TRY(const float penalty, overlong_penalty(inputs[i].tokens, *options_.overlong));
      scores[i] = scores[i] + options_.overlong_weight * penalty;
    }
  }
  return scores;
}

}  // namespace invar
