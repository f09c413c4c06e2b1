#include "train/policy_loss.h"

#include <cmath>
#include <cstddef>

#include "numerics/functions.h"
#include "train/named.h"

namespace invar {
namespace {

// exp(d) - 1 - d and exp(d) - 1 without cancellation near 0.
struct ExpTail {
  float k3;
  float expm1;
};

ExpTail exp_tail(float d) {
  if (d > -0.125f && d < 0.125f) {
    float p = 1.0f / 720.0f;  // Taylor; what is left out is below 2^-26 of the sum
    p = num::fma(p, d, 1.0f / 120.0f);
    p = num::fma(p, d, 1.0f / 24.0f);
    p = num::fma(p, d, 1.0f / 6.0f);
    p = num::fma(p, d, 0.5f);
    const float k3 = d * d * p;
    return {k3, d + k3};
  }
  const float expm1 = num::exp(d) - 1.0f;
  return {expm1 - d, expm1};
}

float bounded(float d) { return num::min(kLogRatioMax, num::max(-kLogRatioMax, d)); }
bool is_bounded(float d) { return d > kLogRatioMax || d < -kLogRatioMax; }

// A loss and its derivative by log_prob_new.
struct Term {
  float value;
  float slope;
};

Term kl_term(KlEstimator estimator, float log_prob_new, float log_prob_ref) {
  const float raw = log_prob_ref - log_prob_new;
  const float d = bounded(raw);
  const float inside = is_bounded(raw) ? 0.0f : 1.0f;
  switch (estimator) {
    case KlEstimator::kNone: return {0.0f, 0.0f};
    case KlEstimator::kK1: return {-d, inside};
    case KlEstimator::kK2: return {0.5f * d * d, -d * inside};
    case KlEstimator::kK3: break;
  }
  const ExpTail tail = exp_tail(d);
  return {tail.k3, -tail.expm1 * inside};
}

struct Clipped {
  Term term;
  uint8_t flags;
};

// kClip and kGspo: the pessimistic one of both, then the bound for negative advantages.
Clipped clip_term(const PolicyLossOptions& options, float ratio, float advantage, uint8_t flags) {
  const float low = 1.0f - options.clip_low;
  const float high = 1.0f + options.clip_high;
  const float kept = num::min(high, num::max(low, ratio));
  const float slope = flags & kLogRatioBound ? 0.0f : -ratio * advantage;
  Term term{-ratio * advantage, slope};
  if (-kept * advantage > term.value) {
    term = {-kept * advantage, 0.0f};
    flags |= ratio < low ? kClippedLow : kClippedHigh;
  }
  if (options.dual_clip > 0.0f && advantage < 0.0f && term.value > -options.dual_clip * advantage) {
    term = {-options.dual_clip * advantage, 0.0f};
    flags |= kClippedDual;
  }
  return {term, flags};
}

Clipped policy_term(const PolicyLossOptions& options, float ratio, float advantage, float log_prob,
                    uint8_t flags) {
  switch (options.objective) {
    case PolicyObjective::kCrossEntropy: return {{-log_prob, -1.0f}, 0};
    case PolicyObjective::kReinforce: return {{-advantage * log_prob, -advantage}, 0};
    case PolicyObjective::kCispo: {
      const float low = 1.0f - options.clip_low;
      const float high = 1.0f + options.clip_high;
      if (ratio < low) flags |= kClippedLow;
      if (ratio > high) flags |= kClippedHigh;
      const float factor = -num::min(high, num::max(low, ratio)) * advantage;
      return {{factor * log_prob, factor}, flags};
    }
    case PolicyObjective::kClip:
    case PolicyObjective::kGspo: break;
  }
  return clip_term(options, ratio, advantage, flags);
}

bool reads_old(PolicyObjective objective) {
  return objective != PolicyObjective::kReinforce && objective != PolicyObjective::kCrossEntropy;
}

bool counts(const PolicyLossArgs& args, std::size_t t) { return args.mask.empty() || args.mask[t] != 0; }

// Tokens [begin, end) of one sequence.
struct Range {
  std::size_t begin;
  std::size_t end;
};

int64_t unmasked(const PolicyLossArgs& args, Range range) {
  int64_t count = 0;
  for (std::size_t t = range.begin; t < range.end; ++t) count += counts(args, t) ? 1 : 0;
  return count;
}

// The mean log ratio of a sequence: differences in fp32, their sum in binary64 over ascending t, one rounding.
float mean_log_ratio(const PolicyLossArgs& args, Range range, int64_t tokens) {
  double sum = 0;
  for (std::size_t t = range.begin; t < range.end; ++t) {
    if (counts(args, t)) sum += static_cast<double>(args.log_prob_new[t] - args.log_prob_old[t]);
  }
  return static_cast<float>(sum / static_cast<double>(tokens));
}

template <class T>
void put(std::span<T> out, std::size_t t, T value) {
  if (!out.empty()) out[t] = value;
}

void sequence_loss(const PolicyLossOptions& options, const LossScale& scale, const PolicyLossArgs& args,
                   Range range, const PolicyLossOutputs& outputs) {
  const int64_t tokens = unmasked(args, range);
  const float weight = tokens == 0 ? 0.0f : token_weight(scale, tokens);
  const bool has_old = !args.log_prob_old.empty();
  const bool by_sequence = options.objective == PolicyObjective::kGspo && tokens > 0;
  const float mean_ratio = by_sequence ? mean_log_ratio(args, range, tokens) : 0.0f;
  for (std::size_t t = range.begin; t < range.end; ++t) {
    const bool counted = counts(args, t);
    Clipped policy{{0.0f, 0.0f}, 0};
    float ratio = 0.0f, kl_old = 0.0f, loss = 0.0f, slope = 0.0f;
    Term kl{0.0f, 0.0f};
    if (counted) {
      const float log_prob = args.log_prob_new[t];
      const float own = has_old ? log_prob - args.log_prob_old[t] : 0.0f;
      const float raw = by_sequence ? mean_ratio : own;
      const uint8_t flags = is_bounded(raw) ? kLogRatioBound : 0;
      ratio = num::exp(bounded(raw));
      kl_old = exp_tail(bounded(own)).k3;
      policy =
          policy_term(options, ratio, args.advantage.empty() ? 0.0f : args.advantage[t], log_prob, flags);
      loss = policy.term.value;
      slope = policy.term.slope;
      if (options.kl != KlEstimator::kNone) {
        kl = kl_term(options.kl, log_prob, args.log_prob_ref[t]);
        loss = loss + options.kl_coefficient * kl.value;
        slope = slope + options.kl_coefficient * kl.slope;
      }
      if (options.entropy_coefficient > 0.0f) loss = loss - options.entropy_coefficient * args.entropy[t];
    }
    put(outputs.d_log_prob, t, weight * slope);
    put(outputs.d_entropy, t, counted ? 0.0f - weight * options.entropy_coefficient : 0.0f);
    put(outputs.loss, t, weight * loss);
    put(outputs.ratio, t, ratio);
    put(outputs.kl_old, t, kl_old);
    put(outputs.kl_ref, t, kl.value);
    put(outputs.clip, t, policy.flags);
  }
}

Status check_options(const PolicyLossOptions& options) {
  const auto at_least_zero = [](float x) { return std::isfinite(x) && x >= 0; };
  if (!(options.clip_low >= 0 && options.clip_low <= 1))
    return error("clip_low: expected 0 to 1, found {}", options.clip_low);
  if (!at_least_zero(options.clip_high))
    return error("clip_high: expected a number of at least 0, found {}", options.clip_high);
  if (options.dual_clip != 0 && !(std::isfinite(options.dual_clip) && options.dual_clip > 1))
    return error("dual_clip: expected a number above 1, or 0 for none, found {}", options.dual_clip);
  if (!at_least_zero(options.kl_coefficient))
    return error("kl_coefficient: expected a number of at least 0, found {}", options.kl_coefficient);
  if (!at_least_zero(options.entropy_coefficient))
    return error("entropy_coefficient: expected a number of at least 0, found {}",
                 options.entropy_coefficient);
  return Ok{};
}

Status check_scale(const LossScale& scale) {
  const bool constant = scale.aggregation == LossAggregation::kConstantLength;
  if (scale.tokens < 1 || scale.sequences < 1)
    return error("expected a batch of at least one token, found {} tokens in {} sequences", scale.tokens,
                 scale.sequences);
  if (constant && scale.constant_length < 1)
    return error("constant_length: expected at least 1 token, found {}", scale.constant_length);
  return Ok{};
}

// A span that is needed has T values; one that is not may be empty.
Status check_input(std::span<const float> values, const char* what, bool needed, const PolicyLossArgs& args) {
  if (values.empty() && !needed) return Ok{};
  if (values.size() != args.log_prob_new.size())
    return error("{}: expected {} values, one a token, found {}", what, args.log_prob_new.size(),
                 values.size());
  std::size_t sequence = 0;
  for (std::size_t t = 0; t < values.size(); ++t) {
    while (t >= static_cast<std::size_t>(args.sequence_begin[sequence + 1])) ++sequence;
    if (counts(args, t) && !std::isfinite(values[t]))
      return error("{} of token {} of sequence {}: expected a finite number, found {}", what,
                   t - static_cast<std::size_t>(args.sequence_begin[sequence]), sequence, values[t]);
  }
  return Ok{};
}

Status check_layout(const PolicyLossArgs& args) {
  const auto tokens = static_cast<int64_t>(args.log_prob_new.size());
  if (args.sequence_begin.empty() || args.sequence_begin.front() != 0 || args.sequence_begin.back() != tokens)
    return error("sequence_begin: expected 0 up to {} tokens, found {} borders", tokens,
                 args.sequence_begin.size());
  for (std::size_t s = 0; s + 1 < args.sequence_begin.size(); ++s) {
    if (args.sequence_begin[s] > args.sequence_begin[s + 1])
      return error("sequence_begin: expected ascending borders, found {} before {}", args.sequence_begin[s],
                   args.sequence_begin[s + 1]);
  }
  if (!args.mask.empty() && args.mask.size() != args.log_prob_new.size())
    return error("mask: expected {} values, one a token, found {}", tokens, args.mask.size());
  return Ok{};
}

Status check_outputs(const PolicyLossOutputs& outputs, std::size_t tokens) {
  for (const std::size_t size :
       {outputs.d_log_prob.size(), outputs.d_entropy.size(), outputs.loss.size(), outputs.ratio.size(),
        outputs.kl_old.size(), outputs.kl_ref.size(), outputs.clip.size()})
    if (size != 0 && size != tokens)
      return error("outputs: expected room for {} tokens, or none, found {}", tokens, size);
  return Ok{};
}

}  // namespace

int64_t loss_denominator(const LossScale& scale) {
  return scale.aggregation == LossAggregation::kConstantLength ? scale.sequences * scale.constant_length
                                                               : scale.tokens;
}

float token_weight(const LossScale& scale, int64_t sequence_tokens) {
  INVAR_CHECK(sequence_tokens > 0, "sequence_tokens = {}", sequence_tokens);
  if (scale.aggregation != LossAggregation::kSequence) return 1.0f;
  return static_cast<float>(static_cast<double>(scale.tokens) /
                            (static_cast<double>(scale.sequences) * static_cast<double>(sequence_tokens)));
}

Status policy_loss(const PolicyLossOptions& options, const LossScale& scale, const PolicyLossArgs& args,
                   const PolicyLossOutputs& outputs) {
  INVAR_RETURN_IF_ERROR(check_options(options));
  INVAR_RETURN_IF_ERROR(check_scale(scale));
  INVAR_RETURN_IF_ERROR(check_layout(args));
  INVAR_RETURN_IF_ERROR(check_input(args.log_prob_new, "log-prob", true, args));
  INVAR_RETURN_IF_ERROR(check_input(args.log_prob_old, "old log-prob", reads_old(options.objective), args));
  INVAR_RETURN_IF_ERROR(
      check_input(args.log_prob_ref, "reference log-prob", options.kl != KlEstimator::kNone, args));
  INVAR_RETURN_IF_ERROR(
      check_input(args.advantage, "advantage", options.objective != PolicyObjective::kCrossEntropy, args));
  INVAR_RETURN_IF_ERROR(check_input(args.entropy, "entropy", options.entropy_coefficient > 0, args));
  INVAR_RETURN_IF_ERROR(check_outputs(outputs, args.log_prob_new.size()));
  for (std::size_t s = 0; s + 1 < args.sequence_begin.size(); ++s)
    sequence_loss(options, scale, args,
                  {static_cast<std::size_t>(args.sequence_begin[s]),
                   static_cast<std::size_t>(args.sequence_begin[s + 1])},
                  outputs);
  return Ok{};
}

float kl_estimate(KlEstimator estimator, float log_prob_new, float log_prob_ref) {
  return kl_term(estimator, log_prob_new, log_prob_ref).value;
}

Result<PolicyObjective> parse_policy_objective(std::string_view name) {
  constexpr Named<PolicyObjective> kNames[] = {{"clip", PolicyObjective::kClip},
                                               {"ppo", PolicyObjective::kClip},
                                               {"grpo", PolicyObjective::kClip},
                                               {"gspo", PolicyObjective::kGspo},
                                               {"cispo", PolicyObjective::kCispo},
                                               {"reinforce", PolicyObjective::kReinforce},
                                               {"cross_entropy", PolicyObjective::kCrossEntropy},
                                               {"sft", PolicyObjective::kCrossEntropy}};
  return find_named(kNames, "policy objective", name);
}

Result<KlEstimator> parse_kl_estimator(std::string_view name) {
  constexpr Named<KlEstimator> kNames[] = {{"none", KlEstimator::kNone},
                                           {"k1", KlEstimator::kK1},
                                           {"k2", KlEstimator::kK2},
                                           {"k3", KlEstimator::kK3}};
  return find_named(kNames, "KL estimator", name);
}

Result<LossAggregation> parse_loss_aggregation(std::string_view name) {
  constexpr Named<LossAggregation> kNames[] = {{"token", LossAggregation::kToken},
                                               {"sequence", LossAggregation::kSequence},
                                               {"constant_length", LossAggregation::kConstantLength}};
  return find_named(kNames, "loss aggregation", name);
}

}  // namespace invar
