#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "kernels/log_probs.h"
#include "kernels/sample.h"

namespace invar {

Sampler::Sampler(Executor& executor, Queue& queue, std::vector<int32_t> eos_ids)
    : executor_(executor), queue_(queue), eos_ids_(std::move(eos_ids)) {
  const auto rows = static_cast<std::size_t>(executor.limits().rows_max);
  const auto at_once = static_cast<std::size_t>(executor.limits().logits_max);
  rows_.reserve(rows);
  row_ids_.reserve(at_once);
  tokens_.reserve(at_once);
  rules_.reserve(at_once);
  usable_.reserve(at_once);
  temperatures_.reserve(at_once);
  log_probs_.reserve(at_once);
  sums_.reserve(at_once);
}

void Sampler::collect(const Step& step) {
  rows_.clear();
  for (std::size_t i = 0; i < step.chunks.size(); ++i) {
    const SequenceChunk& chunk = step.chunks[i];
    Sequence& sequence = *step.owners[i];
    const bool scores = sequence.scores_prompt();
    const bool wants_more =
        sequence.size() - sequence.prompt_size() < sequence.state->request.sampling.max_tokens;
    // Without prompt log-probs only the last row can be wanted.
    for (int64_t row = scores ? 0 : chunk.rows - 1; row < chunk.rows; ++row) {
      const int64_t position = chunk.position_begin + row + 1;
      const bool draws = position == sequence.size() && wants_more;
      // After a preemption the prompt is computed again, but has been scored.
      const bool scored = position <= static_cast<int64_t>(sequence.state->prompt_scored);
      if (!draws && !(scores && !scored && position < sequence.prompt_size())) continue;
      rows_.push_back({.row = static_cast<int32_t>(chunk.row_begin + row),
                       .sequence = &sequence,
                       .position = position,
                       .draws = draws});
    }
  }
}

void Sampler::draw(const Step& step, const std::function<void(const Drawn&)>& on_drawn) {
  collect(step);
  const auto at_once = static_cast<std::size_t>(executor_.limits().logits_max);
  for (std::size_t begin = 0; begin < rows_.size(); begin += at_once) {
    score({rows_.data() + begin, std::min(at_once, rows_.size() - begin)}, on_drawn);
  }
}

void Sampler::process_logits(const Sequence& sequence, std::span<float> logits) const {
  const SamplingParams& sampling = sequence.state->request.sampling;
  if (!sequence.counts.empty()) apply_penalties(logits, sequence.counts, sampling.penalties());
  apply_logit_bias(logits, sampling.logit_bias);
  if (sequence.size() - sequence.prompt_size() < sampling.min_tokens) {
    ban_tokens(logits, sampling.stop_token_ids);
    if (!sampling.ignore_eos) ban_tokens(logits, eos_ids_);
  }
}

// Sampling and log-probs are defined for finite logits, and -inf for what is banned. Damaged weights, activations that
// leave bf16's range or a penalty near 0 give others: then the row ends its sample, and zeros take its place.
bool Sampler::usable(std::span<float> logits) {
  bool wrong = false, any_finite = false;
  for (const float x : logits) {
    wrong |= !(x <= std::numeric_limits<float>::max());
    any_finite |= x >= std::numeric_limits<float>::lowest();
  }
  if (!wrong && any_finite) return true;
  std::fill(logits.begin(), logits.end(), 0.0f);
  return false;
}

void Sampler::fail(const Row& row) {
  row.sequence->result().message = fmt::format(
      "logits of token {} are infinite or no number; the weights are damaged or do not fit bf16, or a "
      "penalty is too strong",
      row.position);
  row.sequence->finish(FinishReason::kError);
}

void Sampler::score(std::span<const Row> rows, const std::function<void(const Drawn&)>& on_drawn) {
  const int64_t vocab = executor_.limits().vocab;
  const int64_t count = static_cast<int64_t>(rows.size());
  row_ids_.clear();
  rules_.clear();
  usable_.clear();
  temperatures_.clear();
  for (const Row& row : rows) row_ids_.push_back(row.row);
  const std::span<float> logits = executor_.logits(row_ids_);
  const auto logits_of = [&](int64_t r) {
    return logits.subspan(static_cast<std::size_t>(r * vocab), static_cast<std::size_t>(vocab));
  };
  for (int64_t r = 0; r < count; ++r) {
    const Row& row = rows[static_cast<std::size_t>(r)];
    const Request& request = row.sequence->state->request;
    // A prompt token is scored by the model's own distribution; a drawn one by what it was drawn from. A greedy draw
    // has no temperature: 1.
    const uint64_t sample = request.first_sample + static_cast<uint64_t>(row.sequence->sample);
    rules_.push_back(row.draws ? sample_rule(request.sampling, sample, row.position)
                               : SampleRule{.temperature = 0});
    temperatures_.push_back(rules_.back().temperature == 0 ? 1.0f : rules_.back().temperature);
    if (row.draws) process_logits(*row.sequence, logits_of(r));
    usable_.push_back(usable(logits_of(r)));
  }
  tokens_.resize(rows.size());
  log_probs_.resize(rows.size());
  sums_.resize(rows.size());
  invar::sample(queue_, {.logits = logits.data(),
                         .logits_stride = vocab,
                         .rules = rules_.data(),
                         .tokens = tokens_.data(),
                         .rows = count,
                         .vocab = vocab});
  for (int64_t r = 0; r < count; ++r) {
    const Row& row = rows[static_cast<std::size_t>(r)];
    if (!row.draws) tokens_[r] = row.sequence->tokens[static_cast<std::size_t>(row.position)];
  }
  log_probs(queue_, {.logits = logits.data(),
                     .logits_stride = vocab,
                     .temperature = temperatures_.data(),
                     .tokens = tokens_.data(),
                     .log_prob = log_probs_.data(),
                     .log_sum = sums_.data(),
                     .rows = count,
                     .vocab = vocab});
  for (int64_t r = 0; r < count; ++r) {
    const Row& row = rows[static_cast<std::size_t>(r)];
    RequestState& state = *row.sequence->state;
    if (row.sequence->done) continue;
    // Only now: the rows before this one count, as they do where they are scored in a step before.
    if (!usable_[r]) {
      fail(row);
      continue;
    }
    const auto alternatives = static_cast<std::size_t>(state.request.top_log_probs);
    std::vector<TokenLogProb>& top = row.draws ? row.sequence->result().top : state.result.prompt_top;
    top.resize(top.size() + alternatives);
    top_log_probs(logits_of(r), temperatures_[r], sums_[r], std::span(top).last(alternatives));
    if (row.draws) {
      on_drawn({.sequence = row.sequence, .token = tokens_[r], .log_prob = log_probs_[r]});
    } else {
      state.result.prompt_log_probs.push_back(log_probs_[r]);
      state.prompt_scored = static_cast<std::size_t>(row.position);
    }
  }
}

bool Sampler::is_stop(const SamplingParams& sampling, int32_t token) const {
  const auto has = [token](const std::vector<int32_t>& ids) {
    return std::find(ids.begin(), ids.end(), token) != ids.end();
  };
  return has(sampling.stop_token_ids) || (!sampling.ignore_eos && has(eos_ids_));
}

}  // namespace invar
