#include "train/policy_trainer.h"

#include <algorithm>
#include <atomic>

#include "comm/local/run_ranks.h"
#include "io/tree_hash.h"

namespace invar {

PolicyTrainer::PolicyTrainer(DecoderModel& model, Queue& queue, int64_t micro_batch_rows,
                             PolicyTrainerRanks ranks)
    : model_(model),
      queue_(queue),
      options_(ranks),
      layout_(model),
      optimizer_(layout_, queue.pool()),
      transposed_(model, queue.pool()) {
  INVAR_CHECK(ranks.local >= 1, "{} ranks", ranks.local);
  INVAR_CHECK(ranks.local == 1 || ranks.communicator == nullptr, "{} ranks here and a communicator",
              ranks.local);
  for (int rank = 0; rank < ranks.local; ++rank)
    ranks_.push_back(make_rank({.rows = micro_batch_rows,
                                .pack = ranks.pack,
                                .kept_bytes = ranks.kept_bytes / ranks.local},
                               rank));
}

PolicyTrainer::LocalRank PolicyTrainer::make_rank(const PolicyGradient::Limits& limits, int rank) {
  LocalRank made;
  if (options_.local > 1) {
    const int threads = queue_.pool().threads();
    const int64_t share = ThreadPool::share_begin(threads, options_.local, rank + 1) -
                          ThreadPool::share_begin(threads, options_.local, rank);
    made.pool = std::make_unique<ThreadPool>(std::max(1, static_cast<int>(share)));
    made.queue = std::make_unique<Queue>(*made.pool, queue_.profile(), queue_.tier());
  }
  made.gradient =
      std::make_unique<PolicyGradient>(model_, layout_, made.queue ? *made.queue : queue_, limits);
  return made;
}

Result<PolicySums> PolicyTrainer::compute(std::span<const PolicySample> samples,
                                          const PolicyUpdateOptions& options) {
  if (ranks_.size() == 1)
    return ranks_.front().gradient->compute(samples, options, transposed_, options_.communicator);
  // `interrupted` is called by this thread alone; the others hear of it.
  std::atomic<bool> stop{false};
  PolicySums sums;  // of rank 0, which are all ranks'
  const Status status = run_ranks(options_.local, [&](Communicator& ranks) -> Status {
    PolicyUpdateOptions own = options;
    own.interrupted = [&] {
      if (ranks.rank() == 0 && is_interrupted(options.interrupted)) stop = true;
      return stop.load();
    };
    auto computed =
        ranks_[static_cast<std::size_t>(ranks.rank())].gradient->compute(samples, own, transposed_, &ranks);
    if (!computed.ok()) return std::move(computed).take_error();
    if (ranks.rank() == 0) sums = *computed;
    return Ok{};
  });
  if (!status.ok()) return error("{}", status.message());
  return sums;
}

Result<PolicyUpdateReport> PolicyTrainer::update(std::span<const PolicySample> samples,
                                                 const PolicyUpdateOptions& options) {
  INVAR_RETURN_IF_ERROR(check(options.optimizer));
  INVAR_RETURN_IF_ERROR(ranks_.front().gradient->check(samples));
  INVAR_TRY(const PolicySums sums, compute(samples, options));
  if (sums.loss.overflow || sums.kl_old.overflow || sums.kl_ref.overflow)
    return error("the loss left the grid of sums (a token's of 2^16 or more); look at rewards and log-probs");
  const LossScale scale = loss_scale(samples, options);
  const Gradients& gradients = ranks_.front().gradient->gradients();
  INVAR_TRY(const Optimizer::Report step, optimizer_.step(queue_, options.optimizer,
                                                          {.number = options.number,
                                                           .learning_rate = options.learning_rate,
                                                           .denominator = loss_denominator(scale)},
                                                          gradients));
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
                            .gradient_digest = tree_hash_hex(std::as_bytes(gradients.sums()), queue_.pool())};
}

Result<std::vector<float>> PolicyTrainer::score(std::span<const PolicySample> samples) {
  INVAR_RETURN_IF_ERROR(ranks_.front().gradient->check(samples));
  return ranks_.front().gradient->score(samples);
}

void PolicyTrainer::write() {
  optimizer_.write(queue_.pool());
  weights_written();
}

}  // namespace invar
