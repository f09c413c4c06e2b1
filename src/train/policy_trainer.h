// PolicyTrainer: one optimizer update from scored samples: forward, the proof that it is the sampler's, loss, backward,
// AdamW. Supervised fine-tuning is the same with another loss.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "train/optimizer.h"
#include "train/policy_gradient.h"

namespace invar {

// Means over the response tokens of all samples, from integer sums (NUM-GRID).
struct PolicyUpdateReport {
  int64_t tokens = 0;
  int64_t differing_log_probs = 0;  // of log_prob_old, bit for bit; those of off_policy_tokens apart
  double loss = 0;
  double entropy = 0;
  double kl_old = 0;  // exactly 0 on policy
  double kl_ref = 0;
  double ratio_max = 1;      // exactly 1 on policy
  double clipped = 0;        // part of the tokens
  double gradient_norm = 0;  // before clipping
  float clip_factor = 1;
  std::string gradient_digest;  // tree_hash_hex of the sums
};

// Who computes an update's gradient; no bit of it depends on any of these.
struct PolicyTrainerRanks {
  // Ranks that are threads of this process. Each has gradients (8 bytes a weight), a micro-batch and a part of the
  // queue's threads of its own; weights and optimizer are one. It is for testing what ranks must keep, not for speed.
  int local = 1;
  // Or: this process is one rank of several, each with a model, optimizer and trainer of its own, which call update()
  // together with the same samples and options. Must outlive the trainer.
  Communicator* communicator = nullptr;
  bool pack = true;  // several samples in one forward
  int64_t kept_bytes = MicroBatch::kKeptBytes;  // of activations, of all local ranks together: see MicroBatch
};

class PolicyTrainer {
 public:
  // micro_batch_rows: most rows of a micro-batch; the longest sample must fit. The model must outlive this.
  PolicyTrainer(DecoderModel& model, Queue& queue, int64_t micro_batch_rows, PolicyTrainerRanks ranks = {});

  // Updates the optimizer's weights; write() puts them into the model. Errors: those of PolicyGradient::check() and
  // compute(), a loss or gradients that left the grid of sums. Then neither optimizer nor model has changed, on any
  // rank, and the message is the same on all.
  Result<PolicyUpdateReport> update(std::span<const PolicySample> samples,
                                    const PolicyUpdateOptions& options);

  // The log-probs of responses by the model as it is: of a reference, say. In the order of the samples.
  Result<std::vector<float>> score(std::span<const PolicySample> samples);

  // The optimizer's weights into the model; whoever samples from it has to be told.
  void write();
  // After the model's weights were replaced by someone else.
  void weights_written() { transposed_.update(model_, queue_.pool()); }

  Optimizer& optimizer() { return optimizer_; }
  const ParameterLayout& layout() const { return layout_; }

 private:
  struct LocalRank {
    std::unique_ptr<ThreadPool> pool;  // null: the trainer's own queue is used
    std::unique_ptr<Queue> queue;
    std::unique_ptr<PolicyGradient> gradient;
  };
  LocalRank make_rank(const PolicyGradient::Limits& limits, int rank);
  Result<PolicySums> compute(std::span<const PolicySample> samples, const PolicyUpdateOptions& options);

  DecoderModel& model_;
  Queue& queue_;
  PolicyTrainerRanks options_;
  ParameterLayout layout_;
  Optimizer optimizer_;
  TransposedWeights transposed_;
  std::vector<LocalRank> ranks_;
};

}  // namespace invar
