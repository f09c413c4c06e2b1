// Losses over log-probs: policy gradients and cross-entropy in one form. Contract id NUM-LOSS (docs/numerics.md).
//
// Every token's loss and its derivative by that token's log-prob, fp32, from the token's own sequence alone: packing,
// micro-batch and order cannot matter. Derivatives are of order 1; whoever has added them all (as integers) divides
// once, by loss_denominator().
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace invar {

// With r = exp(log_prob_new - log_prob_old) and A the advantage, the loss of a token is
enum class PolicyObjective {
  // max(-r A, -clip(r) A), clip to [1 - clip_low, 1 + clip_high]; then for A < 0 at most -dual_clip A.
  // Source: Schulman et al. 2017 (PPO), arXiv 1707.06347; Yu et al. 2025 (DAPO: clip_high apart), arXiv 2503.14476;
  // Ye et al. 2020 (dual clip), arXiv 1912.09729.
  kClip,
  // The same with the sequence's ratio exp(mean over its tokens of (log_prob_new - log_prob_old)) for each token. The
  // derivative holds the ratio's other tokens fixed ("GSPO-token"), which is the exact one where A is the same for
  // all tokens of a sequence. Source: Zheng et al. 2025 (GSPO), arXiv 2507.18071.
  kGspo,
  // -clip(r) A log_prob_new with clip(r) held fixed: a clipped token still has a gradient.
  // Source: MiniMax 2025 (MiniMax-M1, CISPO), arXiv 2506.13585.
  kCispo,
  // -A log_prob_new. Source: Williams 1992, "Simple statistical gradient-following algorithms" (REINFORCE).
  kReinforce,
  // -log_prob_new: supervised fine-tuning.
  kCrossEntropy,
};

// KL(policy, reference) in the loss, from d = log_prob_ref - log_prob_new of the sampled token.
// Source: Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html).
enum class KlEstimator {
  kNone,
  kK1,  // -d
  kK2,  // d^2 / 2
  kK3,  // exp(d) - d - 1; never below 0
};

enum class LossAggregation {
  kToken,     // every token weighs the same: sum / (tokens of the batch). Source: DAPO, as above
  kSequence,  // every sequence weighs the same: mean over sequences of the mean over their tokens. Source: GRPO
  kConstantLength,  // sum / (sequences * constant_length). Source: Liu et al. 2025 (Dr. GRPO), arXiv 2503.20783
};

struct PolicyLossOptions {
  PolicyObjective objective = PolicyObjective::kClip;
  float clip_low = 0.2f;   // 0 .. 1
  float clip_high = 0.2f;  // >= 0
  float dual_clip = 0;     // > 1; 0: off
  KlEstimator kl = KlEstimator::kNone;
  float kl_coefficient = 0;       // >= 0
  float entropy_coefficient = 0;  // >= 0: the loss falls by so much times the entropy
};

// What a mean is taken over: counts of the whole batch (all ranks, all micro-batches), masked tokens left out.
struct LossScale {
  LossAggregation aggregation = LossAggregation::kToken;
  int64_t tokens = 0;           // >= 1
  int64_t sequences = 0;        // >= 1
  int64_t constant_length = 0;  // >= 1 for kConstantLength
};

// What the sums over tokens are divided by: tokens, or sequences * constant_length.
int64_t loss_denominator(const LossScale& scale);

// The factor of each token of a sequence with so many unmasked tokens: 1, or for kSequence
// fp32(tokens / (sequences * sequence_tokens)) in binary64, which keeps the common denominator and order 1.
float token_weight(const LossScale& scale, int64_t sequence_tokens);

struct PolicyLossArgs {
  std::span<const int64_t>
      sequence_begin;                   // [S + 1], ascending from 0 to T: where each sequence's tokens begin
  std::span<const uint8_t> mask;        // [T]: 0 leaves a token out; empty: all count
  std::span<const float> log_prob_new;  // [T]
  std::span<const float>
      log_prob_old;  // [T]; not read by kReinforce and kCrossEntropy, which may leave it empty
  std::span<const float> log_prob_ref;  // [T]; empty without KL
  std::span<const float> advantage;     // [T]; not read by kCrossEntropy
  std::span<const float> entropy;       // [T]; empty without an entropy coefficient
};

// Bits of PolicyLossOutputs::clip. The first three: the gradient of the policy's term is zero, but for CISPO.
inline constexpr uint8_t kClippedLow = 1;
inline constexpr uint8_t kClippedHigh = 2;
inline constexpr uint8_t kClippedDual = 4;
inline constexpr uint8_t kLogRatioBound = 8;  // |log ratio| was above kLogRatioMax

// Log ratios are kept within +-20 before exp (r up to 4.9e8), with derivative zero beyond: sums stay finite.
inline constexpr float kLogRatioMax = 20.0f;

// Each [T] or empty (not wanted). A masked token has zeros in all of them.
struct PolicyLossOutputs {
  std::span<float> d_log_prob;  // weight * d(loss of the token) / d(log_prob_new)
  std::span<float> d_entropy;   // weight * -entropy_coefficient
  std::span<float> loss;        // weight * (policy + kl_coefficient * kl - entropy_coefficient * entropy)
  std::span<float> ratio;       // r, the sequence's for kGspo; 1 exactly where the log-probs are equal
  std::span<float> kl_old;      // k3 estimate of KL(old, new); 0 exactly where they are equal
  std::span<float> kl_ref;      // the chosen estimator
  std::span<uint8_t> clip;
};

// Errors: options out of range, spans that do not fit each other, a log-prob, advantage or entropy of an unmasked token
// that is not finite, with its sequence and token.
Status policy_loss(const PolicyLossOptions& options, const LossScale& scale, const PolicyLossArgs& args,
                   const PolicyLossOutputs& outputs);

// The estimator for one token: for a KL in the reward (train/advantage.h) and for metrics.
float kl_estimate(KlEstimator estimator, float log_prob_new, float log_prob_ref);

// "clip" (also "ppo", "grpo"), "gspo", "cispo", "reinforce", "cross_entropy" (also "sft"); "none", "k1", "k2", "k3";
// "token", "sequence", "constant_length".
Result<PolicyObjective> parse_policy_objective(std::string_view name);
Result<KlEstimator> parse_kl_estimator(std::string_view name);
Result<LossAggregation> parse_loss_aggregation(std::string_view name);

}  // namespace invar
