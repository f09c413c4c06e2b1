// A tiny model with everything that a gradient needs.
#pragma once

#include <memory>
#include <vector>

#include "model/golden_testing.h"
#include "train/micro_batch.h"

namespace invar {

// Sequences that own their tokens, and what is asked of their log-probs.
struct TrainCase {
  std::vector<int32_t> tokens;
  int64_t scored_begin;
  float temperature;
  std::vector<float> d_log_prob, d_entropy;  // [tokens.size() - scored_begin]
};

struct Gradient {
  std::vector<int64_t> sums;
  std::vector<float> log_probs, entropies;  // of all cases, in their order
};

// Adds the cases' gradients to `gradients`, `at_once` of them in each micro-batch, in the order of `order`.
inline void add_gradient(const DecoderModel& model, Queue& queue, const std::vector<TrainCase>& cases,
                         const std::vector<std::size_t>& order, std::size_t at_once, Gradients& gradients,
                         Gradient& out, int64_t kept_bytes = MicroBatch::kKeptBytes) {
  int64_t rows = 0;
  for (const TrainCase& c : cases) rows += std::ssize(c.tokens);
  MicroBatch micro_batch(model, queue, rows, kept_bytes);
  const TransposedWeights transposed(model, queue.pool());
  std::vector<std::size_t> begins;
  std::size_t scored = 0;
  for (const TrainCase& c : cases) {
    begins.push_back(scored);
    scored += c.d_log_prob.size();
  }
  out.log_probs.resize(scored);
  out.entropies.resize(scored);
  for (std::size_t begin = 0; begin < order.size(); begin += at_once) {
    std::vector<TrainSequence> sequences;
    std::vector<float> d_log_prob, d_entropy;
    const std::size_t end = std::min(order.size(), begin + at_once);
    for (std::size_t i = begin; i < end; ++i) {
      const TrainCase& c = cases[order[i]];
      sequences.push_back({.tokens = c.tokens, .scored_begin = c.scored_begin, .temperature = c.temperature});
      d_log_prob.insert(d_log_prob.end(), c.d_log_prob.begin(), c.d_log_prob.end());
      d_entropy.insert(d_entropy.end(), c.d_entropy.begin(), c.d_entropy.end());
    }
    const Status status = micro_batch.check(sequences);
    INVAR_CHECK(status.ok(), "{}", status.message());
    micro_batch.forward(sequences);
    for (std::size_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::ptrdiff_t>(micro_batch.scored_begin()[i - begin]);
      const auto size = static_cast<std::ptrdiff_t>(cases[order[i]].d_log_prob.size());
      const auto to = static_cast<std::ptrdiff_t>(begins[order[i]]);
      std::copy_n(micro_batch.log_probs().begin() + at, size, out.log_probs.begin() + to);
      std::copy_n(micro_batch.entropies().begin() + at, size, out.entropies.begin() + to);
    }
    micro_batch.backward(transposed, d_log_prob, d_entropy, gradients);
  }
}

}  // namespace invar
