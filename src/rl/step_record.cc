#include "rl/step_record.h"

#include <algorithm>

#include "io/hash.h"

namespace invar {
namespace {

const char* finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kAborted: return "aborted";
    case FinishReason::kError: break;
  }
  return "error";
}

RolloutRecord rollout_record(const RlSample& sample) {
  const auto prompt_end = sample.tokens.begin() + static_cast<std::ptrdiff_t>(sample.prompt_tokens);
  return {.prompt_id = sample.prompt,
          .sample = sample.index,
          .seed = sample.seed,
          .prompt = {sample.tokens.begin(), prompt_end},
          .tokens = {prompt_end, sample.tokens.end()},
          .log_probs = sample.log_probs,
          .reward = static_cast<double>(sample.reward),
          .advantage = sample.advantage,
          .kept = sample.kept,
          .finish = finish_name(sample.finish),
          .text = sample.text,
          .label = sample.label,
          .prompt_text = sample.prompt_text,
          .token_ends = sample.token_ends};
}

// What every row has, the first one too.
StepRecord record_of(const RlStepResult& result, const RlEval& eval, std::string weights,
                     std::string optimizer) {
  std::string gradients;  // of all updates
  for (const PolicyUpdateReport& update : result.updates) gradients += update.gradient_digest;
  StepRecord record{.step = result.step + 1};
  record.hashes = {.weights = std::move(weights),
                   .optimizer = std::move(optimizer),
                   .rollouts = {},
                   .rewards = {},
                   .gradients = sha256_hex(std::as_bytes(std::span(gradients)))};
  if (eval.prompts > 0)
    record.evals.push_back({.name = kHeldOut, .prompts = eval.prompts, .score = eval.reward_mean});
  return record;
}

}  // namespace

StepRecord start_record(const RlEval& eval, std::string weights, std::string optimizer) {
  return record_of({.step = -1}, eval, std::move(weights), std::move(optimizer));
}

StepRecord step_record(const RlStepResult& result, const RlEval& eval, std::string weights,
                       std::string optimizer) {
  StepRecord record = record_of(result, eval, std::move(weights), std::move(optimizer));
  for (const RlSample& sample : result.samples) record.rollouts.push_back(rollout_record(sample));
  if (!result.samples.empty())
    record.metrics = {{metric::kReward, result.reward_mean},
                      {metric::kLength, result.length_mean},
                      {"cut_off", result.cut_off}};
  record.metrics.insert(record.metrics.end(),
                        {{"groups_dropped", static_cast<double>(result.groups_dropped)},
                         {"learning_rate", static_cast<double>(result.learning_rate)}});
  if (result.in_part)
    record.metrics.insert(record.metrics.end(),
                          {{"drawn_tokens", static_cast<double>(result.drawn_tokens)},
                           {"off_policy_tokens", static_cast<double>(result.off_policy_tokens)},
                           {"carried_samples", static_cast<double>(result.carried_samples)}});
  if (result.kl) record.metrics.push_back({metric::kKl, *result.kl});
  if (!result.updates.empty()) {
    const PolicyUpdateReport& update = result.updates.front();
    record.metrics.insert(record.metrics.end(),
                          {{metric::kEntropy, update.entropy},
                           {"loss", update.loss},
                           {"kl_old", update.kl_old},
                           {"ratio_max", update.ratio_max},
                           {"differing_log_probs", static_cast<double>(update.differing_log_probs)},
                           {"clipped", update.clipped},
                           {"gradient_norm", update.gradient_norm}});
  }
  const double seconds = result.rollout_s + result.update_s;
  record.timings = {{metric::kSeconds, seconds},
                    {metric::kTokensPerS, static_cast<double>(result.drawn_tokens) / std::max(seconds, 1e-9)},
                    {"rollout_s", result.rollout_s},
                    {"update_s", result.update_s}};
  return record;
}

}  // namespace invar
