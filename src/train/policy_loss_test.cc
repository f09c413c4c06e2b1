#include "train/policy_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/seed_testing.h"
#include "base/split_mix.h"

namespace invar {
namespace {

double uniform(SplitMix64& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random.next() >> 11) * 0x1p-53;
}

// Log-probs, advantages and a mask of sequences with these lengths.
struct Batch {
  std::vector<int64_t> begin;
  std::vector<uint8_t> mask;
  std::vector<float> log_prob_new, log_prob_old, log_prob_ref, advantage, entropy;

  Batch(SplitMix64& random, const std::vector<int64_t>& lengths, double spread) : begin{0} {
    for (int64_t length : lengths) {
      const auto sequence_advantage = static_cast<float>(uniform(random, -2, 2));
      for (int64_t i = 0; i < length; ++i) {
        const double old = uniform(random, -5, -0.1);
        log_prob_old.push_back(static_cast<float>(old));
        log_prob_new.push_back(static_cast<float>(old + uniform(random, -spread, spread)));
        log_prob_ref.push_back(static_cast<float>(old + uniform(random, -spread, spread)));
        advantage.push_back(sequence_advantage);
        entropy.push_back(static_cast<float>(uniform(random, 0, 3)));
        mask.push_back(random.next() % 5 != 0);
      }
      begin.push_back(begin.back() + length);
    }
  }

  std::size_t tokens() const { return log_prob_new.size(); }
  PolicyLossArgs args() const {
    return {.sequence_begin = begin,
            .mask = mask,
            .log_prob_new = log_prob_new,
            .log_prob_old = log_prob_old,
            .log_prob_ref = log_prob_ref,
            .advantage = advantage,
            .entropy = entropy};
  }
  int64_t unmasked(std::size_t from, std::size_t to) const {
    int64_t count = 0;
    for (std::size_t t = from; t < to; ++t) count += mask[t];
    return count;
  }
  LossScale scale(LossAggregation aggregation) const {
    return {.aggregation = aggregation,
            .tokens = unmasked(0, tokens()),
            .sequences = static_cast<int64_t>(begin.size()) - 1,
            .constant_length = 16};
  }
};

struct Computed {
  std::vector<float> d_log_prob, d_entropy, loss, ratio, kl_old, kl_ref;
  std::vector<uint8_t> clip;
  double total = 0;  // the batch's loss

  Computed(const PolicyLossOptions& options, const LossScale& scale, const PolicyLossArgs& args) {
    const std::size_t n = args.log_prob_new.size();
    for (auto* values : {&d_log_prob, &d_entropy, &loss, &ratio, &kl_old, &kl_ref}) values->assign(n, -77.0f);
    clip.assign(n, 77);
    const Status status = policy_loss(options, scale, args,
                                      {.d_log_prob = d_log_prob,
                                       .d_entropy = d_entropy,
                                       .loss = loss,
                                       .ratio = ratio,
                                       .kl_old = kl_old,
                                       .kl_ref = kl_ref,
                                       .clip = clip});
    EXPECT_TRUE(status.ok()) << status.message();
    for (float value : loss) total += value;
    total /= static_cast<double>(loss_denominator(scale));
  }
};

// The formulas of policy_loss.h in binary64, one after the other, per token and without weights.
double loss_by_definition(const PolicyLossOptions& o, const Batch& b, std::size_t t,
                          double sequence_log_ratio) {
  const double x = b.log_prob_new[t], a = b.advantage[t];
  const bool by_sequence = o.objective == PolicyObjective::kGspo;
  const double r = std::exp(by_sequence ? sequence_log_ratio : x - b.log_prob_old[t]);
  const double clipped = std::min(1.0 + o.clip_high, std::max(1.0 - o.clip_low, r));
  double loss = 0;
  switch (o.objective) {
    case PolicyObjective::kClip:
    case PolicyObjective::kGspo:
      loss = std::max(-r * a, -clipped * a);
      if (o.dual_clip > 0 && a < 0) loss = std::min(loss, -o.dual_clip * a);
      break;
    case PolicyObjective::kCispo: loss = -clipped * a * x; break;
    case PolicyObjective::kReinforce: loss = -a * x; break;
    case PolicyObjective::kCrossEntropy: loss = -x; break;
  }
  const double d = static_cast<double>(b.log_prob_ref[t]) - x;
  if (o.kl == KlEstimator::kK1) loss += o.kl_coefficient * -d;
  if (o.kl == KlEstimator::kK2) loss += o.kl_coefficient * d * d / 2;
  if (o.kl == KlEstimator::kK3) loss += o.kl_coefficient * (std::exp(d) - d - 1);
  return loss - o.entropy_coefficient * b.entropy[t];
}

double batch_loss_by_definition(const PolicyLossOptions& o, const Batch& b, LossAggregation aggregation) {
  double total = 0;
  for (std::size_t s = 0; s + 1 < b.begin.size(); ++s) {
    const auto from = static_cast<std::size_t>(b.begin[s]), to = static_cast<std::size_t>(b.begin[s + 1]);
    const auto count = static_cast<double>(b.unmasked(from, to));
    double log_ratio = 0, sum = 0;
    for (std::size_t t = from; t < to; ++t)
      if (b.mask[t]) log_ratio += (static_cast<double>(b.log_prob_new[t]) - b.log_prob_old[t]) / count;
    for (std::size_t t = from; t < to; ++t)
      if (b.mask[t]) sum += loss_by_definition(o, b, t, log_ratio);
    if (count > 0 && aggregation == LossAggregation::kSequence) sum /= count;
    total += sum;
  }
  const auto sequences = static_cast<double>(b.begin.size() - 1);
  if (aggregation == LossAggregation::kToken) return total / static_cast<double>(b.unmasked(0, b.tokens()));
  return total / (aggregation == LossAggregation::kSequence ? sequences : sequences * 16);
}

std::vector<PolicyLossOptions> all_options() {
  std::vector<PolicyLossOptions> all;
  for (const PolicyObjective objective :
       {PolicyObjective::kClip, PolicyObjective::kGspo, PolicyObjective::kCispo, PolicyObjective::kReinforce,
        PolicyObjective::kCrossEntropy})
    for (const KlEstimator kl : {KlEstimator::kNone, KlEstimator::kK1, KlEstimator::kK2, KlEstimator::kK3})
      for (const float dual_clip : {0.0f, 1.5f})
        all.push_back({.objective = objective,
                       .clip_low = 0.2f,
                       .clip_high = 0.28f,
                       .dual_clip = dual_clip,
                       .kl = kl,
                       .kl_coefficient = 0.3f,
                       .entropy_coefficient = 0.01f});
  return all;
}

constexpr LossAggregation kAggregations[] = {LossAggregation::kToken, LossAggregation::kSequence,
                                             LossAggregation::kConstantLength};

TEST(PolicyLoss, IsTheFormulaInBinary64) {
  SplitMix64 random(run_seed());
  const Batch batch(random, {5, 17, 1, 0, 9}, 0.7);
  for (const PolicyLossOptions& options : all_options())
    for (const LossAggregation aggregation : kAggregations) {
      const Computed computed(options, batch.scale(aggregation), batch.args());
      const double expected = batch_loss_by_definition(options, batch, aggregation);
      EXPECT_NEAR(computed.total, expected, 2e-6 * (1 + std::abs(expected)))
          << "objective " << static_cast<int>(options.objective) << " kl " << static_cast<int>(options.kl)
          << " aggregation " << static_cast<int>(aggregation);
    }
}

TEST(PolicyLoss, DerivativesAreFiniteDifferencesOfTheLoss) {
  SplitMix64 random(run_seed());
  const Batch batch(random, {4, 6, 1}, 0.7);
  constexpr double kStep = 0x1p-10;
  for (const PolicyLossOptions& options : all_options()) {
    if (options.objective == PolicyObjective::kCispo) continue;  // its loss holds clip(r) fixed: next test
    for (const LossAggregation aggregation : kAggregations) {
      const LossScale scale = batch.scale(aggregation);
      const Computed computed(options, scale, batch.args());
      for (std::size_t t = 0; t < batch.tokens(); ++t) {
        Batch up = batch, down = batch;
        up.log_prob_new[t] += static_cast<float>(kStep);
        down.log_prob_new[t] -= static_cast<float>(kStep);
        const Computed high(options, scale, up.args()), low(options, scale, down.args());
        if (high.clip != low.clip) continue;  // a kink lies between
        const double step = static_cast<double>(up.log_prob_new[t]) - down.log_prob_new[t];
        const double slope = (batch_loss_by_definition(options, up, aggregation) -
                              batch_loss_by_definition(options, down, aggregation)) /
                             step * static_cast<double>(loss_denominator(scale));
        EXPECT_NEAR(computed.d_log_prob[t], slope, 1e-5 * (1 + std::abs(slope)))
            << "objective " << static_cast<int>(options.objective) << " token " << t;
      }
    }
  }
}

TEST(PolicyLoss, CispoWeighsTheLogProbByTheFixedClippedRatio) {
  SplitMix64 random(run_seed());
  Batch batch(random, {64}, 1.0);
  batch.mask.assign(64, 1);
  const PolicyLossOptions options{.objective = PolicyObjective::kCispo, .clip_low = 0.5f, .clip_high = 0.25f};
  const Computed computed(options, batch.scale(LossAggregation::kToken), batch.args());
  for (std::size_t t = 0; t < 64; ++t) {
    const double r = std::exp(static_cast<double>(batch.log_prob_new[t]) - batch.log_prob_old[t]);
    EXPECT_NEAR(computed.d_log_prob[t], -std::min(1.25, std::max(0.5, r)) * batch.advantage[t], 1e-6);
    EXPECT_EQ(computed.clip[t], r > 1.25 ? kClippedHigh : r < 0.5 ? kClippedLow : 0);
  }
}

TEST(PolicyLoss, OnPolicyTheRatioIsExactlyOneAndBothKlsExactlyZero) {
  SplitMix64 random(run_seed());
  Batch batch(random, {3, 40, 7}, 0.5);
  batch.log_prob_old = batch.log_prob_ref = batch.log_prob_new;
  for (PolicyLossOptions options : all_options()) {
    options.entropy_coefficient = 0;
    const Computed computed(options, batch.scale(LossAggregation::kToken), batch.args());
    for (std::size_t t = 0; t < batch.tokens(); ++t) {
      if (!batch.mask[t]) continue;
      EXPECT_EQ(computed.ratio[t], 1.0f);
      EXPECT_EQ(computed.kl_old[t], 0.0f);
      EXPECT_EQ(computed.kl_ref[t], 0.0f);
      EXPECT_EQ(computed.clip[t], 0);
      if (options.objective == PolicyObjective::kCrossEntropy) continue;
      const float kl_slope = options.kl == KlEstimator::kK1 ? options.kl_coefficient : 0.0f;
      EXPECT_EQ(computed.d_log_prob[t], -batch.advantage[t] + kl_slope);
    }
  }
}

TEST(PolicyLoss, ClipsEachSideAtItsOwnBoundAndSaysSo) {
  const std::vector<int64_t> begin = {0, 5};
  const std::vector<float> old(5, -3.0f), up = {-2.7f, -2.75f, -3.3f, -3.2f, -1.0f};
  const std::vector<float> advantage = {1, 1, -1, -1, -1};
  const PolicyLossArgs args{
      .sequence_begin = begin, .log_prob_new = up, .log_prob_old = old, .advantage = advantage};
  // exp(0.3) = 1.35, exp(0.25) = 1.284, exp(-0.3) = 0.741, exp(-0.2) = 0.819, exp(2) = 7.39
  const Computed computed({.clip_low = 0.2f, .clip_high = 0.3f, .dual_clip = 3.0f},
                          {.tokens = 5, .sequences = 1}, args);
  EXPECT_EQ(computed.clip, (std::vector<uint8_t>{kClippedHigh, 0, kClippedLow, 0, kClippedDual}));
  EXPECT_EQ(computed.d_log_prob[0], 0.0f);
  EXPECT_NEAR(computed.d_log_prob[1], -1.284025f, 1e-6);
  EXPECT_EQ(computed.d_log_prob[2], 0.0f);
  EXPECT_NEAR(computed.d_log_prob[3], 0.818731f, 1e-6);
  EXPECT_EQ(computed.d_log_prob[4], 0.0f);
  EXPECT_EQ(computed.loss[4], 3.0f);
}

TEST(PolicyLoss, ASequenceIsTheSameBitsAloneAndInABatch) {
  SplitMix64 random(run_seed());
  const Batch batch(random, {5, 17, 1, 9}, 0.7);
  for (const PolicyLossOptions& options : all_options())
    for (const LossAggregation aggregation : kAggregations) {
      const LossScale scale = batch.scale(aggregation);
      const Computed together(options, scale, batch.args());
      for (std::size_t s = 0; s + 1 < batch.begin.size(); ++s) {
        const auto from = static_cast<std::size_t>(batch.begin[s]);
        const std::size_t count = static_cast<std::size_t>(batch.begin[s + 1]) - from;
        const std::vector<int64_t> begin = {0, static_cast<int64_t>(count)};
        const PolicyLossArgs all = batch.args();
        const Computed alone(options, scale,
                             {.sequence_begin = begin,
                              .mask = all.mask.subspan(from, count),
                              .log_prob_new = all.log_prob_new.subspan(from, count),
                              .log_prob_old = all.log_prob_old.subspan(from, count),
                              .log_prob_ref = all.log_prob_ref.subspan(from, count),
                              .advantage = all.advantage.subspan(from, count),
                              .entropy = all.entropy.subspan(from, count)});
        EXPECT_EQ(0, std::memcmp(alone.d_log_prob.data(), together.d_log_prob.data() + from,
                                 count * sizeof(float)));
        EXPECT_EQ(0, std::memcmp(alone.loss.data(), together.loss.data() + from, count * sizeof(float)));
      }
    }
}

TEST(PolicyLoss, BitsAreFixed) {
  SplitMix64 random(1);
  const Batch batch(random, {5, 17, 1, 9}, 0.7);
  uint64_t hash = 0xcbf29ce484222325u;
  for (const PolicyLossOptions& options : all_options())
    for (const LossAggregation aggregation : kAggregations) {
      const Computed computed(options, batch.scale(aggregation), batch.args());
      for (const auto* values : {&computed.d_log_prob, &computed.d_entropy, &computed.loss, &computed.ratio,
                                 &computed.kl_old, &computed.kl_ref})
        for (float value : *values) hash = (hash ^ __builtin_bit_cast(uint32_t, value)) * 0x100000001b3u;
    }
  EXPECT_EQ(hash, 15454383674328340977u);
}

TEST(PolicyLoss, MaskedTokensAndFarRatiosStayFinite) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<int64_t> begin = {0, 3};
  const std::vector<uint8_t> mask = {0, 1, 1};
  const std::vector<float> now = {kNan, -0.1f, -900.0f}, old = {kNan, -900.0f, -0.1f},
                           advantage = {kNan, 0.0f, -2.0f};
  const PolicyLossArgs args{.sequence_begin = begin,
                            .mask = mask,
                            .log_prob_new = now,
                            .log_prob_old = old,
                            .advantage = advantage};
  const Computed computed({}, {.tokens = 2, .sequences = 1}, args);
  for (std::size_t t = 0; t < 3; ++t) {
    EXPECT_TRUE(std::isfinite(computed.loss[t]) && std::isfinite(computed.d_log_prob[t]));
    EXPECT_EQ(computed.d_log_prob[t], 0.0f);
  }
  EXPECT_EQ(computed.loss[0], 0.0f);
  EXPECT_EQ(computed.ratio[0], 0.0f);
  EXPECT_TRUE(computed.clip[1] & kLogRatioBound);
  EXPECT_EQ(computed.loss[2], 1.6f);  // clip low: -0.8 * -2
}

TEST(KlEstimate, K3NeverFallsBelowZeroAndIsAccurateNearIt) {
  for (int i = -2000; i <= 2000; ++i) {
    const float d = static_cast<float>(i) * 0x1p-9f;
    const double exact = std::expm1(static_cast<double>(d)) - d;
    const float k3 = kl_estimate(KlEstimator::kK3, -1.0f, -1.0f + d);
    EXPECT_GE(k3, 0.0f) << d;
    EXPECT_NEAR(k3, exact, 1e-5 * exact + 1e-44) << d;
  }
  EXPECT_EQ(kl_estimate(KlEstimator::kK1, -1.0f, -3.0f), 2.0f);
  EXPECT_EQ(kl_estimate(KlEstimator::kK2, -1.0f, -3.0f), 2.0f);
}

TEST(TokenWeight, KeepsOrderOneAndTheMeanOverSequences) {
  const LossScale scale{.aggregation = LossAggregation::kSequence, .tokens = 100, .sequences = 4};
  EXPECT_EQ(token_weight(scale, 25), 1.0f);
  EXPECT_EQ(token_weight(scale, 50), 0.5f);
  EXPECT_EQ(loss_denominator(scale), 100);
  EXPECT_EQ(loss_denominator({.aggregation = LossAggregation::kConstantLength,
                              .tokens = 9,
                              .sequences = 4,
                              .constant_length = 16}),
            64);
}

TEST(PolicyLoss, RefusesWhatIsOutOfRangeAndNamesTheToken) {
  const std::vector<int64_t> begin = {0, 1, 3};
  std::vector<float> now = {-1, -1, -1}, old = now, advantage = {1, 1, 1};
  const auto message = [&](const PolicyLossOptions& options, const LossScale& scale) {
    const Status status = policy_loss(
        options, scale,
        {.sequence_begin = begin, .log_prob_new = now, .log_prob_old = old, .advantage = advantage}, {});
    return status.ok() ? std::string("ok") : status.message();
  };
  const LossScale scale{.tokens = 3, .sequences = 2};
  EXPECT_EQ(message({}, scale), "ok");
  EXPECT_EQ(message({}, {}), "expected a batch of at least one token, found 0 tokens in 0 sequences");
  EXPECT_NE(message({.clip_low = 1.5f}, scale), "ok");
  EXPECT_NE(message({.clip_high = -0.1f}, scale), "ok");
  EXPECT_NE(message({.dual_clip = 0.5f}, scale), "ok");
  EXPECT_EQ(message({.kl = KlEstimator::kK3}, scale),
            "reference log-prob: expected 3 values, one a token, found 0");
  EXPECT_NE(message({.entropy_coefficient = 0.1f}, scale), "ok");
  old[2] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(message({}, scale),
            "old log-prob of token 1 of sequence 1: expected a finite number, found -inf");
  EXPECT_FALSE(parse_policy_objective("x").ok() || parse_kl_estimator("k4").ok() ||
               parse_loss_aggregation("").ok());
  EXPECT_EQ(*parse_policy_objective("sft"), PolicyObjective::kCrossEntropy);
}

}  // namespace
}  // namespace invar
