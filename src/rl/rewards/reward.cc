#include "rl/rewards/reward.h"

#include <cmath>

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

Status check_shaping(const RewardOptions& options) {
  if (options.length_target < 1)
    return error("reward: expected a length_target of at least 1 token, found {}", options.length_target);
  for (const float weight : {options.format_weight, options.overlong_weight, options.length_weight})
    if (!std::isfinite(weight)) return error("reward: expected finite weights, found {}", weight);
  if (options.overlong) INVAR_RETURN_IF_ERROR(overlong_penalty(0, *options.overlong));
  return Ok{};
}

// "boxed_numeric" is numeric of the boxed part.
struct TextKind {
  std::string_view name;
  bool boxed_part;
};

TextKind split_kind(std::string_view kind) {
  constexpr std::string_view kPrefix = "boxed_";
  if (!kind.starts_with(kPrefix)) return {kind, false};
  return {kind.substr(kPrefix.size()), true};
}

bool is_plain_kind(std::string_view kind) {
  const TextKind split = split_kind(kind);
  if (split.name == "exact" || split.name == "numeric") return true;
  return !split.boxed_part && (split.name == "boxed" || split.name == "countdown");
}

}  // namespace

Result<Reward> Reward::make(const RewardOptions& options) {
  INVAR_RETURN_IF_ERROR(check_shaping(options));
  Reward reward;
  reward.options_ = options;
  const std::string& kind = options.kind;
  if (kind == "regex" || kind == "boxed_regex") {
    INVAR_TRY(reward.state_, RegexReward::compile(options.regex));
  } else if (kind == "program") {
    INVAR_TRY(reward.state_, ProgramReward::start(options.program));
  } else if (kind == "remote") {
    INVAR_TRY(reward.state_, RemoteReward::make(options.remote));
  } else if (kind != "metadata" && !is_plain_kind(kind)) {
    return error(
        "reward: expected exact, numeric, boxed, countdown, regex, boxed_exact, boxed_numeric, boxed_regex, "
        "program, "
        "remote or metadata, found {}",
        quote(kind));
  }
  return reward;
}

Result<float> Reward::text_score(const RewardInput& input) const {
  std::string kind = options_.kind;
  if (kind == "metadata") {
    INVAR_TRY(const JsonObject metadata, JsonObject::from(input.prompt->metadata, "metadata"));
    INVAR_TRY(kind, metadata.require_string("rm_type"));
    if (!is_plain_kind(kind))
      return metadata.mismatch("rm_type", "exact, numeric, boxed, countdown, boxed_exact or boxed_numeric");
  }
  const TextKind split = split_kind(kind);
  std::string_view response = input.response;
  if (split.boxed_part) response = last_boxed(response).value_or(std::string_view());
  if (split.name == "countdown") return score_countdown(input, response, options_.countdown);
  const std::string label = label_text(input.prompt->label);
  if (split.name == "regex") return std::get<RegexReward>(state_).score(response, label);
  if (label.empty())
    return error("label: expected one for the reward {}, found none; label_key names its key in the data",
                 kind);
  if (split.name == "numeric") return numeric_reward(response, label, options_.numeric);
  if (split.name == "boxed") return boxed_reward(response, label);
  return exact_reward(response, label, options_.exact);
}

Result<std::vector<float>> Reward::base_scores(std::span<const RewardInput> inputs,
                                               const Interrupted& interrupted) {
  if (auto* program = std::get_if<ProgramReward>(&state_)) return program->score(inputs, interrupted);
  if (auto* remote = std::get_if<RemoteReward>(&state_)) return remote->score(inputs, interrupted);
  std::vector<float> scores;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (is_interrupted(interrupted)) return error("interrupted");
    const Result<float> score = text_score(inputs[i]);
    if (!score.ok()) return error("sample {}: {}", i, score.message());
    scores.push_back(*score);
  }
  return scores;
}

Result<std::vector<float>> Reward::score(std::span<const RewardInput> inputs,
                                         const Interrupted& interrupted) {
  INVAR_TRY(std::vector<float> scores, base_scores(inputs, interrupted));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (options_.format_weight != 0)
      scores[i] = scores[i] + options_.format_weight * think_answer_format_reward(inputs[i].response);
    if (options_.overlong) {
      INVAR_TRY(const float penalty, overlong_penalty(inputs[i].tokens, *options_.overlong));
      scores[i] = scores[i] + options_.overlong_weight * penalty;
    }
    if (options_.length_weight != 0)
      scores[i] =
          scores[i] + options_.length_weight * length_penalty(inputs[i].tokens, options_.length_target);
  }
  return scores;
}

}  // namespace invar
