// Steps of supervised fine-tuning: the negative log-likelihood of answers that are given.
#include "rl/rl_step.h"

namespace invar {
namespace {

PolicySample sample_of(const PromptSource::Row& row) {
  return {.tokens = row.tokens,
          .prompt_tokens = row.prompt_tokens,
          .temperature = 1,
          .log_prob_old = {},
          .log_prob_ref = {},
          .advantage = {}};
}

std::vector<PolicySample> samples_of(std::span<const PromptSource::Row> rows) {
  std::vector<PolicySample> samples;
  for (const PromptSource::Row& row : rows) samples.push_back(sample_of(row));
  return samples;
}

}  // namespace

Status RlStep::fine_tune(Draft& draft, RlStepResult& result, const Hooks& hooks) {
  std::vector<PromptSource::Row> rows;
  for (int64_t i = 0; i < config_.rollout.groups; ++i, ++draft.taken) {
    auto row = prompts_->encode_with_answer(prompts_->train(draft.taken));
    if (!row.ok()) return error("prompt {}: {}", draft.taken, row.message());
    result.drawn_tokens += std::ssize(row->tokens) - row->prompt_tokens;
    rows.push_back(std::move(row).value());
  }
  return take_updates(samples_of(rows), result, hooks);
}

// Row by row: what the mean is of must not depend on the size of micro-batches.
Result<RlEval> RlStep::score_held_out(const Hooks& hooks) {
  RlEval result{.reward_mean = 0, .prompts = prompts_->held_out_count(), .texts = {}};
  double sum = 0, tokens = 0;
  for (int64_t i = 0; i < result.prompts; ++i) {
    if (is_interrupted(hooks.interrupted)) return error("interrupted");
    if (hooks.progress) hooks.progress("eval", static_cast<double>(i) / static_cast<double>(result.prompts));
    auto row = prompts_->encode_with_answer(prompts_->held_out(i));
    if (!row.ok()) return error("held-out prompt {}: {}", i, row.message());
    const PolicySample sample = sample_of(*row);
    INVAR_TRY(const std::vector<float> log_probs, machinery_.trainer.score({&sample, 1}));
    for (const float log_prob : log_probs) sum += static_cast<double>(log_prob);
    tokens += static_cast<double>(log_probs.size());
  }
  if (tokens > 0) result.reward_mean = sum / tokens;
  return result;
}

}  // namespace invar
