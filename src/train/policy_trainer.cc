#include "train/policy_trainer.h"

#include <algorithm>
#include <bit>

#include "io/hash.h"
#include "numerics/grid_sum.h"

namespace invar {
namespace {

TrainSequence sequence_of(const PolicySample& sample) {
  return {.tokens = sample.tokens, .scored_begin = sample.prompt_tokens, .temperature = sample.temperature};
}

int64_t response_tokens(const PolicySample& sample) {
  return std::ssize(sample.tokens) - sample.prompt_tokens;
}

// A sum over tokens that no order changes.
class GridSum {
 public:
  void add(std::span<const float> values) {
    for (float value : values) {
      const int64_t units = to_grid(value, overflow_);
      grid_merge(sum_, units, overflow_);
    }
  }
  double mean(int64_t count) const {
    return static_cast<double>(sum_) * 0x1p-40 / static_cast<double>(count);
  }
  bool overflow() const { return overflow_; }

 private:
  int64_t sum_ = 0;
  bool overflow_ = false;
};

Status check_samples(std::span<const PolicySample> samples) {
  if (samples.empty()) return error("a policy update of no samples");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const PolicySample& sample = samples[i];
    const int64_t tokens = response_tokens(sample);
    const auto fits = [&](std::span<const float> values, bool may_be_empty) {
      return std::ssize(values) == tokens || (may_be_empty && values.empty());
    };
    if (sample.prompt_tokens < 1 || tokens < 1)
      return error("sample {}: expected a prompt and a response, found {} and {} tokens", i,
                   sample.prompt_tokens, tokens);
    if (!fits(sample.log_prob_old, true) || !fits(sample.log_prob_ref, true) || !fits(sample.advantage, true))
      return error("sample {}: {} response tokens, {} log-probs, {} of the reference, {} advantages", i,
                   tokens, sample.log_prob_old.size(), sample.log_prob_ref.size(), sample.advantage.size());
  }
  return Ok{};
}

// The spans of samples, one behind the other.
std::vector<float> joined(std::span<const PolicySample> samples,
                          std::span<const float> PolicySample::*field) {
  std::vector<float> all;
  for (const PolicySample& sample : samples)
    all.insert(all.end(), (sample.*field).begin(), (sample.*field).end());
  return all;
}

}  // namespace

struct PolicyTrainer::Sums {
  int64_t differing = 0;
  GridSum loss, entropy, kl_old, kl_ref;
  int64_t clipped = 0;
  float ratio_max = 1;
};

PolicyTrainer::PolicyTrainer(DecoderModel& model, Queue& queue, int64_t micro_batch_rows)
    : model_(model),
      queue_(queue),
      micro_batch_rows_(micro_batch_rows),
      layout_(model),
      gradients_(model, layout_),
      optimizer_(layout_, queue.pool()),
      transposed_(model, queue.pool()),
      micro_batch_(model, queue, micro_batch_rows) {}

Status PolicyTrainer::for_micro_batches(std::span<const PolicySample> samples,
                                        const std::function<bool()>& interrupted, const PerMicroBatch& body) {
  std::vector<TrainSequence> sequences;
  for (std::size_t begin = 0; begin < samples.size();) {
    sequences.clear();
    int64_t rows = 0;
    std::size_t end = begin;
    for (; end < samples.size(); ++end) {
      const int64_t more = std::ssize(samples[end].tokens) - 1;
      if (end > begin && rows + more > micro_batch_rows_) break;
      rows += more;
      sequences.push_back(sequence_of(samples[end]));
    }
    if (interrupted && interrupted()) return error("interrupted");
    if (const Status status = micro_batch_.check(sequences); !status.ok())
      return error("samples {} to {}: {}", begin, end - 1, status.message());
    micro_batch_.forward(sequences);
    INVAR_RETURN_IF_ERROR(body(samples.subspan(begin, end - begin), begin));
    begin = end;
  }
  return Ok{};
}

Status PolicyTrainer::check_on_policy(std::span<const PolicySample> samples, std::size_t first, bool required,
                                      Sums& sums) const {
  const std::span<const float> found = micro_batch_.log_probs();
  std::size_t at = 0;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const PolicySample& sample = samples[s];
    for (std::size_t t = 0; t < sample.log_prob_old.size(); ++t, ++at) {
      if (std::bit_cast<uint32_t>(found[at]) == std::bit_cast<uint32_t>(sample.log_prob_old[t])) continue;
      if (static_cast<int64_t>(t) < sample.off_policy_tokens) continue;
      ++sums.differing;
      if (required)
        return error(
            "sample {}, response token {} (id {}): the sampler's log-prob is {} ({:08x}), the trainer's {} "
            "({:08x}); "
            "weights or positions differ, and the run is not on policy",
            first + s, t, sample.tokens[static_cast<std::size_t>(sample.prompt_tokens) + t],
            sample.log_prob_old[t], std::bit_cast<uint32_t>(sample.log_prob_old[t]), found[at],
            std::bit_cast<uint32_t>(found[at]));
    }
    if (sample.log_prob_old.empty()) at += static_cast<std::size_t>(response_tokens(sample));
  }
  return Ok{};
}

Status PolicyTrainer::backward(std::span<const PolicySample> samples, std::size_t first,
                               const PolicyUpdateOptions& options, const LossScale& scale, Sums& sums) {
  const std::span<const float> log_probs = micro_batch_.log_probs();
  const std::size_t tokens = log_probs.size();
  const std::vector<float> old = joined(samples, &PolicySample::log_prob_old);
  const std::vector<float> reference = joined(samples, &PolicySample::log_prob_ref);
  const std::vector<float> advantage = joined(samples, &PolicySample::advantage);
  std::vector<float> d_log_prob(tokens), d_entropy(tokens), loss(tokens), ratio(tokens), kl_old(tokens),
      kl_ref(tokens);
  std::vector<uint8_t> clip(tokens);
  const bool has_entropy = options.loss.entropy_coefficient > 0;
  const Status status =
      policy_loss(options.loss, scale,
                  {.sequence_begin = micro_batch_.scored_begin(),
                   .mask = {},
                   .log_prob_new = log_probs,
                   .log_prob_old = old,
                   .log_prob_ref = reference,
                   .advantage = advantage,
                   .entropy = has_entropy ? micro_batch_.entropies() : std::span<const float>()},
                  {.d_log_prob = d_log_prob,
                   .d_entropy = d_entropy,
                   .loss = loss,
                   .ratio = old.empty() ? std::span<float>() : std::span<float>(ratio),
                   .kl_old = old.empty() ? std::span<float>() : std::span<float>(kl_old),
                   .kl_ref = reference.empty() ? std::span<float>() : std::span<float>(kl_ref),
                   .clip = clip});
  if (!status.ok()) return error("samples from {} on: {}", first, status.message());
  sums.loss.add(loss);
  sums.entropy.add(micro_batch_.entropies());
  sums.kl_old.add(kl_old);
  sums.kl_ref.add(kl_ref);
  for (uint8_t bits : clip) sums.clipped += (bits & (kClippedLow | kClippedHigh | kClippedDual)) != 0;
  if (!old.empty()) sums.ratio_max = std::max(sums.ratio_max, *std::max_element(ratio.begin(), ratio.end()));
  micro_batch_.backward(transposed_, d_log_prob,
                        has_entropy ? std::span<const float>(d_entropy) : std::span<const float>(),
                        gradients_);
  return Ok{};
}

Result<PolicyUpdateReport> PolicyTrainer::update(std::span<const PolicySample> samples,
                                                 const PolicyUpdateOptions& options) {
  INVAR_RETURN_IF_ERROR(check(options.optimizer));
  INVAR_RETURN_IF_ERROR(check_samples(samples));
  LossScale scale{.aggregation = options.aggregation,
                  .tokens = 0,
                  .sequences = std::ssize(samples),
                  .constant_length = options.constant_length};
  for (const PolicySample& sample : samples) scale.tokens += response_tokens(sample);
  gradients_.clear(queue_);
  Sums sums;
  INVAR_RETURN_IF_ERROR(for_micro_batches(
      samples, options.interrupted, [&](std::span<const PolicySample> some, std::size_t first) -> Status {
        INVAR_RETURN_IF_ERROR(check_on_policy(some, first, options.on_policy, sums));
        return backward(some, first, options, scale, sums);
      }));
  if (sums.loss.overflow() || sums.kl_old.overflow() || sums.kl_ref.overflow())
    return error("the loss left the grid of sums (a token's of 2^16 or more); look at rewards and log-probs");
  INVAR_TRY(const Optimizer::Report step, optimizer_.step(queue_, options.optimizer,
                                                          {.number = options.number,
                                                           .learning_rate = options.learning_rate,
                                                           .denominator = loss_denominator(scale)},
                                                          gradients_));
  return PolicyUpdateReport{.tokens = scale.tokens,
                            .differing_log_probs = sums.differing,
                            .loss = sums.loss.mean(loss_denominator(scale)),
                            .entropy = sums.entropy.mean(scale.tokens),
                            .kl_old = sums.kl_old.mean(scale.tokens),
                            .kl_ref = sums.kl_ref.mean(scale.tokens),
                            .ratio_max = sums.ratio_max,
                            .clipped = static_cast<double>(sums.clipped) / static_cast<double>(scale.tokens),
                            .gradient_norm = step.gradient_norm,
                            .clip_factor = step.clip_factor,
                            .gradient_digest = sha256_hex(std::as_bytes(std::span(gradients_.sums())))};
}

Result<std::vector<float>> PolicyTrainer::score(std::span<const PolicySample> samples) {
  INVAR_RETURN_IF_ERROR(check_samples(samples));
  std::vector<float> scores;
  INVAR_RETURN_IF_ERROR(
      for_micro_batches(samples, {}, [&](std::span<const PolicySample>, std::size_t) -> Status {
        scores.insert(scores.end(), micro_batch_.log_probs().begin(), micro_batch_.log_probs().end());
        return Ok{};
      }));
  return scores;
}

void PolicyTrainer::write() {
  optimizer_.write(queue_.pool());
  weights_written();
}

}  // namespace invar
