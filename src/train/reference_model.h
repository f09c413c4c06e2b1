// ReferenceModel: the frozen model that a policy is kept near to. Its log-probs come from the same forward as the
// policy's: where both have the same weights, every bit is the same.
#pragma once

#include <span>
#include <vector>

#include "train/policy_samples.h"

namespace invar {

class ReferenceModel {
 public:
  // micro_batch_rows: most rows of a forward; the longest sample must fit. The queue must outlive this.
  ReferenceModel(DecoderModel model, Queue& queue, int64_t micro_batch_rows)
      : model_(std::move(model)), micro_batch_(model_, queue, micro_batch_rows, 0) {}
  ReferenceModel(const ReferenceModel&) = delete;
  ReferenceModel& operator=(const ReferenceModel&) = delete;

  // log p(token) of every response token, sample after sample, at the sample's temperature. Each is a function of its
  // sample alone, whatever it is packed with. Errors: a sample that does not fit the model or the rows; "interrupted".
  Result<std::vector<float>> score(std::span<const PolicySample> samples, const Interrupted& interrupted = {});

 private:
  DecoderModel model_;
  MicroBatch micro_batch_;
};

}  // namespace invar
