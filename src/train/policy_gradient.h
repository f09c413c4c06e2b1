// PolicyGradient: the gradient of the loss over an update's samples: forward, the proof that it is the sampler's, loss,
// backward of this rank's share of them; then everything is added over the ranks, as integers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/interrupted.h"
#include "comm/communicator.h"
#include "train/micro_batch.h"
#include "train/optimizer.h"
#include "train/policy_loss.h"
#include "train/policy_samples.h"

namespace invar {

struct PolicyUpdateOptions {
  PolicyLossOptions loss;
  LossAggregation aggregation = LossAggregation::kToken;
  int64_t constant_length = 0;  // of LossAggregation::kConstantLength
  OptimizerOptions optimizer;
  float learning_rate = 1e-6f;
  int64_t number = 1;      // of this update, from 1 on
  bool on_policy = false;  // the weights are those that drew the samples: every log-prob must have its bits
  Interrupted interrupted;
};

// A sum over tokens that no order changes (NUM-GRID).
struct GridSum {
  int64_t units = 0;
  bool overflow = false;

  void add(std::span<const float> values);
  double mean(int64_t count) const;
};

// Of all samples, on every rank the same.
struct PolicySums {
  int64_t differing = 0;  // log-probs whose bits are not the sampler's
  int64_t clipped = 0;    // tokens
  GridSum loss, entropy, kl_old, kl_ref;
  float ratio_max = 1;
};

// What means are taken over: of all samples, whoever computes them.
LossScale loss_scale(std::span<const PolicySample> samples, const PolicyUpdateOptions& options);

class PolicyGradient {
 public:
  struct Limits {
    int64_t rows;      // most of a micro-batch; the longest sample must fit
    bool pack = true;  // several samples in one forward; changes no bit
    int64_t kept_bytes = MicroBatch::kKeptBytes;  // see MicroBatch
  };
  // The model and the layout must outlive this.
  PolicyGradient(DecoderModel& model, const ParameterLayout& layout, Queue& queue, const Limits& limits);

  // Why these samples cannot be trained on, or Ok: none at all; a sample without prompt or response, with the wrong
  // number of values, too long, with an unknown token.
  Status check(std::span<const PolicySample> samples) const;

  // Leaves the sum of all samples' gradients in gradients(). ranks: null for one rank; otherwise every rank calls this
  // with the same samples and options, and has the same result, or the same error: check() has passed; a log-prob whose
  // bits are not the sampler's though `on_policy` (names the sample, the token and both values), those of the loss,
  // "interrupted" (where this rank or another one was). Of several the first sample's is told.
  Result<PolicySums> compute(std::span<const PolicySample> samples, const PolicyUpdateOptions& options,
                             const TransposedWeights& transposed, Communicator* ranks);

  // The log-probs of responses by the model as it is, in the order of the samples; by this rank alone.
  std::vector<float> score(std::span<const PolicySample> samples);

  const Gradients& gradients() const { return gradients_; }

 private:
  struct Failure {
    std::size_t sample;
    std::string message;
  };
  struct Pass;

  std::optional<Failure> add_share(Pass& pass, const SampleRange& share);
  Status add_loss(Pass& pass, std::size_t sample, std::size_t token_begin);

  Queue& queue_;
  bool pack_;
  Gradients gradients_;
  MicroBatch micro_batch_;
};

}  // namespace invar
