#include "train/policy_gradient.h"

#include <algorithm>
#include <bit>

#include "numerics/grid_sum.h"

namespace invar {
namespace {

int64_t response_tokens(const PolicySample& sample) {
  return std::ssize(sample.tokens) - sample.prompt_tokens;
}

Status check_sample(const PolicySample& sample) {
  const int64_t tokens = response_tokens(sample);
  const auto fits = [&](std::span<const float> values) {
    return std::ssize(values) == tokens || values.empty();
  };
  if (sample.prompt_tokens < 1 || tokens < 1)
    return error("expected a prompt and a response, found {} and {} tokens", sample.prompt_tokens, tokens);
  if (!fits(sample.log_prob_old) || !fits(sample.log_prob_ref) || !fits(sample.advantage))
    return error("{} response tokens, {} log-probs, {} of the reference, {} advantages", tokens,
                 sample.log_prob_old.size(), sample.log_prob_ref.size(), sample.advantage.size());
  return Ok{};
}

// found: the trainer's log-probs of the sample's response.
Status compare(const PolicySample& sample, std::size_t number, std::span<const float> found,
               bool must_be_equal, int64_t& differing) {
  for (std::size_t t = 0; t < sample.log_prob_old.size(); ++t) {
    const auto drawn = std::bit_cast<uint32_t>(sample.log_prob_old[t]);
    const auto scored = std::bit_cast<uint32_t>(found[t]);
    if (drawn == scored || static_cast<int64_t>(t) < sample.off_policy_tokens) continue;
    ++differing;
    if (must_be_equal)
      return error(
          "sample {}, response token {} (id {}): the sampler's log-prob is {} ({:08x}), the trainer's {} "
          "({:08x}); weights or positions differ, and the run is not on policy",
          number, t, sample.tokens[static_cast<std::size_t>(sample.prompt_tokens) + t],
          sample.log_prob_old[t], drawn, found[t], scored);
  }
  return Ok{};
}

// Over all ranks.
Status all_reduce(Communicator& ranks, PolicySums& sums) {
  GridSum* const grids[] = {&sums.loss, &sums.entropy, &sums.kl_old, &sums.kl_ref};
  std::vector<int64_t> added = {sums.differing, sums.clipped};
  std::vector<uint64_t> largest = {ordered_bits(sums.ratio_max)};
  for (const GridSum* grid : grids) {
    added.push_back(grid->units);
    largest.push_back(grid->overflow);
  }
  // A sum that is no int64 comes back as its end, which the grid flags.
  bool overflow = false;
  INVAR_RETURN_IF_ERROR(ranks.all_reduce_sum(added, overflow));
  INVAR_RETURN_IF_ERROR(ranks.all_reduce_max(largest));
  sums.differing = added[0];
  sums.clipped = added[1];
  sums.ratio_max = from_ordered_bits(largest[0]);
  for (std::size_t i = 0; i < std::size(grids); ++i) {
    grids[i]->units = added[2 + i];
    grids[i]->overflow = largest[1 + i] != 0;
    grid_merge(grids[i]->units, 0, grids[i]->overflow);
  }
  return Ok{};
}

}  // namespace

void GridSum::add(std::span<const float> values) {
  for (float value : values) {
    const int64_t part = to_grid(value, overflow);
    grid_merge(units, part, overflow);
  }
}

double GridSum::mean(int64_t count) const {
  return static_cast<double>(units) * 0x1p-40 / static_cast<double>(count);
}

LossScale loss_scale(std::span<const PolicySample> samples, const PolicyUpdateOptions& options) {
  LossScale scale{.aggregation = options.aggregation,
                  .tokens = 0,
                  .sequences = std::ssize(samples),
                  .constant_length = options.constant_length};
  for (const PolicySample& sample : samples) scale.tokens += response_tokens(sample);
  return scale;
}

// One rank's work for one update.
struct PolicyGradient::Pass {
  std::span<const PolicySample> samples;
  const PolicyUpdateOptions& options;
  const TransposedWeights& transposed;
  LossScale scale;
  PolicySums sums = {};
  std::vector<float> d_log_prob = {}, d_entropy = {};  // of the micro-batch; no entropy: empty
};

PolicyGradient::PolicyGradient(DecoderModel& model, const ParameterLayout& layout, Queue& queue,
                               const Limits& limits)
    : queue_(queue), pack_(limits.pack), gradients_(model, layout),
      micro_batch_(model, queue, limits.rows, limits.kept_bytes) {}

Status PolicyGradient::check(std::span<const PolicySample> samples) const {
  if (samples.empty()) return error("a policy update of no samples");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    Status status = check_sample(samples[i]);
    if (status.ok()) status = micro_batch_.check(sequence_of(samples[i]));
    if (!status.ok()) return error("sample {}: {}", i, status.message());
  }
  return Ok{};
}

// Of one sample of the micro-batch, whose tokens begin at token_begin of it.
Status PolicyGradient::add_loss(Pass& pass, std::size_t sample, std::size_t token_begin) {
  const PolicySample& s = pass.samples[sample];
  const auto tokens = static_cast<std::size_t>(response_tokens(s));
  const auto of_sample = [&](auto values) {
    return values.empty() ? values : values.subspan(token_begin, tokens);
  };
  const std::span<const float> log_probs = of_sample(micro_batch_.log_probs());
  const std::span<const float> entropies = of_sample(micro_batch_.entropies());
  const bool has_entropy = !pass.d_entropy.empty();
  const bool has_old = !s.log_prob_old.empty(), has_ref = !s.log_prob_ref.empty();
  INVAR_RETURN_IF_ERROR(compare(s, sample, log_probs, pass.options.on_policy, pass.sums.differing));
  std::vector<float> loss(tokens), ratio(has_old ? tokens : 0), kl_old(has_old ? tokens : 0),
      kl_ref(has_ref ? tokens : 0);
  std::vector<uint8_t> clip(tokens);
  const int64_t borders[] = {0, response_tokens(s)};
  const Status status = policy_loss(pass.options.loss, pass.scale,
                                    {.sequence_begin = borders,
                                     .mask = {},
                                     .log_prob_new = log_probs,
                                     .log_prob_old = s.log_prob_old,
                                     .log_prob_ref = s.log_prob_ref,
                                     .advantage = s.advantage,
                                     .entropy = has_entropy ? entropies : std::span<const float>()},
                                    {.d_log_prob = of_sample(std::span(pass.d_log_prob)),
                                     .d_entropy = of_sample(std::span(pass.d_entropy)),
                                     .loss = loss,
                                     .ratio = ratio,
                                     .kl_old = kl_old,
                                     .kl_ref = kl_ref,
                                     .clip = clip});
  if (!status.ok()) return error("sample {}: {}", sample, status.message());
  PolicySums& sums = pass.sums;
  sums.loss.add(loss);
  sums.entropy.add(entropies);
  sums.kl_old.add(kl_old);
  sums.kl_ref.add(kl_ref);
  for (uint8_t bits : clip) sums.clipped += (bits & (kClippedLow | kClippedHigh | kClippedDual)) != 0;
  for (float r : ratio) sums.ratio_max = std::max(sums.ratio_max, r);
  return Ok{};
}

std::optional<PolicyGradient::Failure> PolicyGradient::add_share(Pass& pass, const SampleRange& share) {
  std::size_t sample = share.begin;  // that is looked at
  const auto add = [&](const SampleRange& cut) -> Status {
    const auto tokens = micro_batch_.log_probs().size();
    pass.d_log_prob.resize(tokens);
    pass.d_entropy.resize(pass.options.loss.entropy_coefficient > 0 ? tokens : 0);
    for (sample = cut.begin; sample < cut.end; ++sample) {
      const auto begin = static_cast<std::size_t>(micro_batch_.scored_begin()[sample - cut.begin]);
      INVAR_RETURN_IF_ERROR(add_loss(pass, sample, begin));
    }
    micro_batch_.backward(pass.transposed, pass.d_log_prob, pass.d_entropy, gradients_);
    return Ok{};
  };
  const Status status = for_micro_batches(micro_batch_, pass.samples, share,
                                          {.pack = pack_, .interrupted = pass.options.interrupted}, add);
  if (status.ok()) return std::nullopt;
  return Failure{.sample = sample, .message = status.message()};
}

namespace {

// The same on every rank: Ok where none has failed, otherwise the message of the first failing sample of all.
Status first_failure(Communicator& ranks, const std::size_t* sample, const std::string& message) {
  uint64_t first =
      sample == nullptr ? 0 : ~uint64_t{*sample};  // the largest complement is the smallest index
  const uint64_t own = first;
  INVAR_RETURN_IF_ERROR(ranks.all_reduce_max({&first, 1}));
  if (first == 0) return Ok{};
  const bool is_mine = own == first;  // of no other rank: shares have no sample in common
  uint64_t said[] = {is_mine ? static_cast<uint64_t>(ranks.rank()) : 0, is_mine ? message.size() : 0};
  INVAR_RETURN_IF_ERROR(ranks.all_reduce_max(said));
  std::string words = is_mine ? message : std::string(said[1], ' ');
  INVAR_RETURN_IF_ERROR(ranks.broadcast(std::as_writable_bytes(std::span(words)), static_cast<int>(said[0])));
  return error("{}", words);
}

}  // namespace

Result<PolicySums> PolicyGradient::compute(std::span<const PolicySample> samples,
                                           const PolicyUpdateOptions& options,
                                           const TransposedWeights& transposed, Communicator* ranks) {
  gradients_.clear(queue_);
  Pass pass{.samples = samples,
            .options = options,
            .transposed = transposed,
            .scale = loss_scale(samples, options)};
  if (ranks == nullptr || ranks->size() == 1) {
    if (auto failure = add_share(pass, {0, samples.size()}); failure) return Error{failure->message};
    return pass.sums;
  }
  const auto failure = add_share(pass, share_of(samples, ranks->rank(), ranks->size()));
  INVAR_RETURN_IF_ERROR(
      first_failure(*ranks, failure ? &failure->sample : nullptr, failure ? failure->message : ""));
  INVAR_RETURN_IF_ERROR(all_reduce(*ranks, pass.sums));
  INVAR_RETURN_IF_ERROR(gradients_.all_reduce(queue_, *ranks));
  return pass.sums;
}

std::vector<float> PolicyGradient::score(std::span<const PolicySample> samples) {
  auto scores = invar::score(micro_batch_, samples, {.pack = pack_, .interrupted = {}});
  INVAR_CHECK(scores.ok(), "{}", scores.message());
  return std::move(scores).value();
}

}  // namespace invar
