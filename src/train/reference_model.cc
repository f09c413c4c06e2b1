#include "train/reference_model.h"

namespace invar {

Result<std::vector<float>> ReferenceModel::score(std::span<const PolicySample> samples,
                                                 const Interrupted& interrupted) {
  std::vector<float> scores;
  std::vector<TrainSequence> sequences;
  for (std::size_t begin = 0; begin < samples.size(); begin += sequences.size()) {
    sequences.clear();
    int64_t rows = 0;
    for (const PolicySample& sample : samples.subspan(begin)) {
      rows += std::ssize(sample.tokens) - 1;
      if (!sequences.empty() && rows > micro_batch_rows_) break;
      sequences.push_back({.tokens = sample.tokens,
                           .scored_begin = sample.prompt_tokens,
                           .temperature = sample.temperature});
    }
    if (is_interrupted(interrupted)) return error("interrupted");
    if (const Status status = micro_batch_.check(sequences); !status.ok())
      return error("the reference, samples from {} on: {}", begin, status.message());
    micro_batch_.forward(sequences);
    scores.insert(scores.end(), micro_batch_.log_probs().begin(), micro_batch_.log_probs().end());
  }
  return scores;
}

}  // namespace invar
