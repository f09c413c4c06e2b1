// PolicyTrainer: one optimizer update from scored samples: forward, the proof that it is the sampler's, loss, backward,
// AdamW. Supervised fine-tuning is the same with another loss.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "train/micro_batch.h"
#include "train/optimizer.h"
#include "train/policy_loss.h"

namespace invar {

struct PolicySample {
  std::span<const int32_t> tokens;      // the prompt, then the response
  int64_t prompt_tokens;                // >= 1
  float temperature;                    // of the response
  std::span<const float> log_prob_old;  // [response]: the sampler's
  std::span<const float> log_prob_ref;  // [response], or empty without KL
  std::span<const float> advantage;     // [response]
  // So many first tokens of the response were drawn by other weights than an update on policy begins with: their
  // log_prob_old is another number, and is not compared.
  int64_t off_policy_tokens = 0;
};

struct PolicyUpdateOptions {
  PolicyLossOptions loss;
  LossAggregation aggregation = LossAggregation::kToken;
  int64_t constant_length = 0;  // of LossAggregation::kConstantLength
  OptimizerOptions optimizer;
  float learning_rate = 1e-6f;
  int64_t number = 1;      // of this update, from 1 on
  bool on_policy = false;  // the weights are those that drew the samples: every log-prob must have its bits
  std::function<bool()> interrupted;
};

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
  std::string gradient_digest;  // SHA-256 of the sums
};

class PolicyTrainer {
 public:
  // micro_batch_rows: most rows of a micro-batch; the longest sample must fit. The model must outlive this.
  PolicyTrainer(DecoderModel& model, Queue& queue, int64_t micro_batch_rows);

  // Updates the optimizer's weights; write() puts them into the model. Errors: a sample that does not fit, a log-prob
  // whose bits are not the sampler's though `on_policy` (names the sample, the token and both values), those of the
  // loss and of the gradients, "interrupted". Then neither optimizer nor model has changed.
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
  struct Sums;
  using PerMicroBatch = std::function<Status(std::span<const PolicySample>, std::size_t first)>;
  // Cuts the samples, in order, and calls the body with each cut once its forward has run.
  Status for_micro_batches(std::span<const PolicySample> samples, const std::function<bool()>& interrupted,
                           const PerMicroBatch& body);
  Status check_on_policy(std::span<const PolicySample> samples, std::size_t first, bool required,
                         Sums& sums) const;
  Status backward(std::span<const PolicySample> samples, std::size_t first,
                  const PolicyUpdateOptions& options, const LossScale& scale, Sums& sums);

  DecoderModel& model_;
  Queue& queue_;
  int64_t micro_batch_rows_;
  ParameterLayout layout_;
  Gradients gradients_;
  Optimizer optimizer_;
  TransposedWeights transposed_;
  MicroBatch micro_batch_;
};

}  // namespace invar
