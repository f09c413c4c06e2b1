// Rewards to advantages, NUM-ADV (docs/numerics.md): pure functions of (sample index, rewards, lengths, KL).
//
// Samples are numbered by group: sample s belongs to group s / group_size, one group a prompt. Every sum runs in
// binary64 over ascending index and every result is rounded to fp32 once, so nothing depends on who computed a reward
// or when. A group whose rewards are all equal gets exact zeros.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace invar {

struct GroupRewards {
  std::span<const float> rewards;  // [S], S a multiple of group_size
  int64_t group_size;              // G >= 2
};

// (r - mean) / (std + eps), mean and std (n - 1) over the group. Also the advantages of GSPO and CISPO, which differ
// from GRPO in the loss alone (train/policy_loss.h).
// Source: Shao et al. 2024, "DeepSeekMath", arXiv 2402.03300; Zheng et al. 2025, "Group sequence policy
// optimization", arXiv 2507.18071; MiniMax 2025, "MiniMax-M1", arXiv 2506.13585.
// Errors, here and below: a reward that is NaN or infinite, with its sample; lengths that do not fit each other; a
// group of one, which has nothing to be compared with; an advantage beyond fp32.
Result<std::vector<float>> grpo_advantages(const GroupRewards& group, float eps = 1e-6f);  // [S]

// r - mean: without the division, easy and hard prompts weigh the same.
// Source: Liu et al. 2025, "Understanding R1-zero-like training" (Dr. GRPO), arXiv 2503.20783.
Result<std::vector<float>> dr_grpo_advantages(const GroupRewards& group);  // [S]

// r - mean of the other samples of the group.
// Source: Ahmadian et al. 2024, "Back to basics: revisiting REINFORCE style optimization" (RLOO), arXiv 2402.14740.
Result<std::vector<float>> rloo_advantages(const GroupRewards& group);  // [S]

struct TokenRewards {
  std::span<const float> rewards;   // [S]
  std::span<const int64_t> tokens;  // [S]: of each response, >= 0; T is their sum
  std::span<const float> kl;        // [T]: KL estimates against the reference; empty: none
  float kl_coefficient = 0;         // beta >= 0
  float discount = 1;               // gamma, 0 .. 1
};

// Returns G[t] = -beta kl[t] + gamma G[t + 1], the reward added at the last token, normalised over all tokens of the
// batch: (G - mean) / sqrt(max(variance, 1e-8)), variance over n. The whole batch must be given at once.
// Source: Hu et al. 2025, "REINFORCE++", arXiv 2501.03262.
Result<std::vector<float>> reinforce_plus_plus_advantages(const TokenRewards& batch);  // [T]

// The group's mean instead of a critic: (r - group mean) - beta kl[t], normalised as above. `discount` has no part.
// Source: as above, section on REINFORCE++-baseline.
Result<std::vector<float>> reinforce_plus_plus_baseline_advantages(const TokenRewards& batch,
                                                                   int64_t group_size);  // [T]

// r - beta * (sum of the sample's kl): KL in the reward for the methods with one advantage a sample.
Result<std::vector<float>> kl_penalised_rewards(const TokenRewards& batch);  // [S]

enum class AdvantageKind {
  kReinforce,  // the reward itself
  kGrpo,       // GSPO and CISPO too
  kDrGrpo,
  kRloo,
  kReinforcePlusPlus,
  kReinforcePlusPlusBaseline,
};

// "reinforce", "grpo", "gspo", "cispo", "dr_grpo", "rloo", "reinforce_plus_plus", "reinforce_plus_plus_baseline".
Result<AdvantageKind> parse_advantage_kind(std::string_view name);

// Any of them for every token, [T]: kinds with one advantage a sample repeat it for each token of the sample, and take
// a KL in the reward by kl_penalised_rewards. `eps` is GRPO's; group_size is ignored by kinds without groups.
struct AdvantageArgs {
  AdvantageKind kind = AdvantageKind::kGrpo;
  TokenRewards batch;
  int64_t group_size = 1;
  float eps = 1e-6f;
};
Result<std::vector<float>> token_advantages(const AdvantageArgs& args);

}  // namespace invar
