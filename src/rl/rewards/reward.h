// The reward of a run: one of the kinds of this folder, and shaping added to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/interrupted.h"
#include "base/result.h"
#include "rl/rewards/countdown_reward.h"
#include "rl/rewards/program_reward.h"
#include "rl/rewards/regex_reward.h"
#include "rl/rewards/remote_reward.h"
#include "rl/rewards/reward_input.h"
#include "rl/rewards/text_reward.h"

namespace invar {

struct RewardOptions {
  // "exact", "numeric", "boxed", "countdown", "regex", "program", "remote"; "boxed_exact", "boxed_numeric" and
  // "boxed_regex" see the response's last boxed answer alone (slime's prefix), or nothing where there is none;
  // "metadata": each prompt's metadata names one of these under "rm_type" (slime's key), all but program, remote and
  // regex.
  std::string kind = "exact";
  ExactOptions exact;
  NumericOptions numeric;
  CountdownOptions countdown;
  RegexReward::Options regex;
  ProgramReward::Options program;
  RemoteReward::Options remote;

  // Added to the reward, each times its weight.
  float format_weight = 0;    // think_answer_format_reward
  float overlong_weight = 1;  // overlong_penalty, where `overlong` is given
  std::optional<OverlongOptions> overlong;
  float length_weight = 0;    // length_penalty around length_target tokens
  int64_t length_target = 1;  // >= 1
};

class Reward {
 public:
  // Errors: an unknown kind, and what the kind refuses.
  static Result<Reward> make(const RewardOptions& options);

  // The reward of every input, by index: the fp32 score, + weight * format, + weight * overlong, + weight * length in
  // this order. Errors, with the sample's index: a prompt without the label (or, for countdown, the numbers and target
  // in its metadata) that the kind needs; what the kind reports; "interrupted", within 100 ms also where a
  // program or a server is waited for.
  Result<std::vector<float>> score(std::span<const RewardInput> inputs, const Interrupted& interrupted = {});

 private:
  Reward() = default;
  Result<std::vector<float>> base_scores(std::span<const RewardInput> inputs, const Interrupted& interrupted);
  Result<float> text_score(const RewardInput& input) const;

  RewardOptions options_;
  std::variant<std::monostate, RegexReward, ProgramReward, RemoteReward> state_;
};

}  // namespace invar
