#include "train/reference_model.h"

namespace invar {

Result<std::vector<float>> ReferenceModel::score(std::span<const PolicySample> samples,
                                                 const Interrupted& interrupted) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Status status = micro_batch_.check(sequence_of(samples[i]));
    if (!status.ok()) return error("the reference, sample {}: {}", i, status.message());
  }
  return invar::score(micro_batch_, samples, {.pack = true, .interrupted = interrupted});
}

}  // namespace invar
