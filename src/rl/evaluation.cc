#include "rl/evaluation.h"

#include <algorithm>
#include <cmath>

#include "io/hash.h"
#include "rl/seeds.h"

namespace invar {
namespace {

Estimate estimate_of(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  if (values.size() < 2) return {.mean = mean, .error = 0};
  return {.mean = mean, .error = std::sqrt(squares / (count - 1) / count)};
}

std::string digest_of(std::span<const RolloutGroup> groups) {
  Sha256 digest;
  for (const RolloutGroup& group : groups) {
    for (const RlSample& sample : group.samples) {
      digest.add_u64(static_cast<uint64_t>(sample.prompt_tokens)).add_u64(sample.tokens.size());
      digest.add(std::as_bytes(std::span(sample.tokens)));
      digest.add(std::as_bytes(std::span(sample.log_probs)));
      digest.add(std::as_bytes(std::span(&sample.reward, 1)));
    }
  }
  return hex(digest.digest());
}

void summarise(Evaluation& result) {
  std::vector<double> rewards;
  std::vector<int64_t> passed;
  double samples = 0, length = 0, cut_off = 0;
  for (const RolloutGroup& group : result.groups) {
    double reward = 0;
    int64_t passes = 0;
    for (const RlSample& sample : group.samples) {
      reward += static_cast<double>(sample.reward);
      passes += sample.reward >= 1 ? 1 : 0;
      length += static_cast<double>(sample.log_probs.size());
      cut_off += sample.finish == FinishReason::kLength;
    }
    const auto n = std::ssize(group.samples);
    samples += static_cast<double>(n);
    rewards.push_back(reward / static_cast<double>(n));
    passed.push_back(passes);
  }
  result.reward = estimate_of(rewards);
  const int64_t n = std::ssize(result.groups.front().samples);
  for (int64_t k = 1;; k = std::min(2 * k, n)) {
    std::vector<double> values;
    for (const int64_t count : passed) values.push_back(pass_at_k(n, count, k));
    result.pass_at.push_back({.k = k, .estimate = estimate_of(values)});
    if (k == n) break;
  }
  result.length_mean = length / samples;
  result.cut_off = cut_off / samples;
}

}  // namespace

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  INVAR_CHECK(k >= 1 && k <= n && c >= 0 && c <= n, "n = {}, c = {}, k = {}", n, c, k);
  if (n - c < k) return 1;
  double none = 1;  // the product of (n - c - i) / (n - i)
  for (int64_t i = 0; i < k; ++i) none *= static_cast<double>(n - c - i) / static_cast<double>(n - i);
  return 1 - none;
}

Result<Evaluation> evaluate(Engine& engine, const Tokenizer& tokenizer, const PromptSource& prompts, Reward& reward,
                            const EvaluationOptions& options, const RlHooks& hooks) {
  Evaluation result;
  for (int64_t i = 0; i < prompts.held_out_count(); ++i) {
    Prompt prompt = prompts.held_out(i);
    auto encoded = prompts.encode(prompt);
    if (!encoded.ok()) return error("held-out prompt {}: {}", i, encoded.message());
    const uint64_t seed = request_seed(
        {.run_seed = options.run_seed, .step = 0, .prompt = static_cast<uint64_t>(i)}, SeedUse::kEval);
    result.groups.push_back(
        empty_group(i, 0, seed, std::move(prompt), std::move(encoded).value(), options.samples));
  }
  if (result.groups.empty()) return result;
  INVAR_RETURN_IF_ERROR(draw(engine, tokenizer, result.groups, options.rollout, hooks, "eval"));
  std::vector<RolloutGroup*> all;
  for (RolloutGroup& group : result.groups) all.push_back(&group);
  INVAR_RETURN_IF_ERROR(score(reward, all, hooks.interrupted));
  summarise(result);
  result.digest = digest_of(result.groups);
  return result;
}

}  // namespace invar
