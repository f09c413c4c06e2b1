// The half of a step that changes weights: KL to the reference, advantages, updates, weights into the engine.
#include "rl/publish_weights.h"
#include "rl/rl_step.h"
#include "train/saved_trainer.h"

namespace invar {
namespace {

// The samples that are trained on, [S], and what advantages are made of.
struct KeptSamples {
  std::vector<RlSample*> samples;
  std::vector<float> rewards;        // [S]
  std::vector<int64_t> lengths;      // [S]: response tokens; T is their sum
  std::vector<PolicySample> policy;  // [S], advantages and reference still to come
};

KeptSamples kept_samples(RlStepResult& result, float temperature) {
  KeptSamples kept;
  for (RlSample& sample : result.samples) {
    if (!sample.kept) continue;
    kept.samples.push_back(&sample);
    kept.rewards.push_back(sample.reward);
    kept.lengths.push_back(std::ssize(sample.log_probs));
    kept.policy.push_back({.tokens = sample.tokens,
                           .prompt_tokens = sample.prompt_tokens,
                           .temperature = temperature,
                           .log_prob_old = sample.log_probs,
                           .log_prob_ref = {},
                           .advantage = {},
                           .off_policy_tokens = sample.carried_tokens});
  }
  return kept;
}

// KL estimates of the tokens as the sampler scored them, [T].
std::vector<float> kl_estimates(const KeptSamples& kept, KlEstimator kind, std::span<const float> reference) {
  std::vector<float> estimates;
  estimates.reserve(reference.size());
  for (const RlSample* sample : kept.samples) {
    for (const float log_prob : sample->log_probs)
      estimates.push_back(kl_estimate(kind, log_prob, reference[estimates.size()]));
  }
  return estimates;
}

double mean(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

}  // namespace

Status RlStep::update(RlStepResult& result, const Hooks& hooks) {
  KeptSamples kept = kept_samples(result, rollout_.temperature);
  if (kept.samples.empty()) return Ok{};
  std::vector<float> reference, kl;
  if (machinery_.reference != nullptr) {
    if (hooks.progress) hooks.progress("reference", 0);
    INVAR_TRY(reference, machinery_.reference->score(kept.policy, hooks.interrupted));
    kl = kl_estimates(kept, kl_kind_, reference);
    result.kl = mean(kl);
  }
  const bool kl_in_reward = config_.algorithm.kl_in == "reward" && config_.algorithm.kl_coefficient > 0;
  INVAR_TRY(
      const std::vector<float> advantages,
      token_advantages({.kind = advantage_kind_,
                        .batch = {.rewards = kept.rewards,
                                  .tokens = kept.lengths,
                                  .kl = kl_in_reward ? std::span<const float>(kl) : std::span<const float>(),
                                  .kl_coefficient = static_cast<float>(config_.algorithm.kl_coefficient)},
                        .group_size = config_.rollout.samples}));
  std::size_t at = 0;
  for (std::size_t i = 0; i < kept.samples.size(); ++i) {
    const auto length = static_cast<std::size_t>(kept.lengths[i]);
    kept.samples[i]->advantage = advantages[at];
    kept.policy[i].advantage = std::span(advantages).subspan(at, length);
    if (update_options_.loss.kl != KlEstimator::kNone)
      kept.policy[i].log_prob_ref = std::span<const float>(reference).subspan(at, length);
    at += length;
  }
  return take_updates(kept.policy, result, hooks);
}

Status RlStep::take_updates(std::span<const PolicySample> samples, RlStepResult& result, const Hooks& hooks) {
  PolicyTrainer& trainer = machinery_.trainer;
  PolicyUpdateOptions options = update_options_;
  options.interrupted = hooks.interrupted;
  options.learning_rate = result.learning_rate;
  // A single update changes nothing when it fails; of several, the first ones have.
  std::optional<SavedTrainer> before;
  if (config_.algorithm.updates > 1) before.emplace(trainer);
  for (int64_t i = 0; i < config_.algorithm.updates; ++i) {
    options.number = result.step * config_.algorithm.updates + i + 1;
    options.on_policy = i == 0 && !fine_tunes();
    if (hooks.progress)
      hooks.progress("update", static_cast<double>(i) / static_cast<double>(config_.algorithm.updates));
    INVAR_TRY(PolicyUpdateReport report, trainer.update(samples, options));
    result.updates.push_back(std::move(report));
    if (i + 1 < config_.algorithm.updates) trainer.write();
  }
  // The weights are the model's own.
  const Status written = publish_weights(trainer, machinery_.updater);
  INVAR_CHECK(written.ok(), "{}", written.message());
  if (before) before->forget();
  return Ok{};
}

}  // namespace invar
