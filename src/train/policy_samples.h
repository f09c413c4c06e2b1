// Samples of a policy, and how they are cut into micro-batches: one cut for the policy and for its reference.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/interrupted.h"
#include "train/micro_batch.h"

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

// What a micro-batch computes of a sample.
TrainSequence sequence_of(const PolicySample& sample);

struct SampleRange {
  std::size_t begin, end;
};
// The samples of a rank: contiguous shares, as equal in tokens as whole samples allow; a function of the samples'
// lengths alone. A share may be empty.
SampleRange share_of(std::span<const PolicySample> samples, int rank, int ranks);

struct MicroBatchCut {
  bool pack = true;  // several samples in one forward; changes no bit
  Interrupted interrupted;
};

// Cuts the range, in order, into micro-batches as large as their rows allow, and calls the body with each once its
// forward has run. MicroBatch::check() of every sample has passed. Errors: the body's; "interrupted".
Status for_micro_batches(MicroBatch& micro_batch, std::span<const PolicySample> samples, const SampleRange& range,
                         const MicroBatchCut& cut, const std::function<Status(const SampleRange&)>& body);

// The log-probs of all response tokens, sample after sample. As for_micro_batches() otherwise.
Result<std::vector<float>> score(MicroBatch& micro_batch, std::span<const PolicySample> samples,
                                 const MicroBatchCut& cut);

}  // namespace invar
