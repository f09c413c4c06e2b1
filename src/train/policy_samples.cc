#include "train/policy_samples.h"

namespace invar {

TrainSequence sequence_of(const PolicySample& sample) {
  return {.tokens = sample.tokens, .scored_begin = sample.prompt_tokens, .temperature = sample.temperature};
}

SampleRange share_of(std::span<const PolicySample> samples, int rank, int ranks) {
  int64_t total = 0;
  for (const PolicySample& sample : samples) total += std::ssize(sample.tokens);
  // A sample is of the rank in whose part of all tokens its middle lies.
  const auto border = [&](int r) {
    int64_t before = 0;
    std::size_t i = 0;
    for (; i < samples.size(); ++i) {
      const int64_t tokens = std::ssize(samples[i].tokens);
      if ((2 * before + tokens) * ranks >= 2 * total * r) break;
      before += tokens;
    }
    return i;
  };
  return {border(rank), border(rank + 1)};
}

Status for_micro_batches(MicroBatch& micro_batch, std::span<const PolicySample> samples, const SampleRange& range,
                         const MicroBatchCut& cut, const std::function<Status(const SampleRange&)>& body) {
  std::vector<TrainSequence> sequences;
  for (std::size_t begin = range.begin; begin < range.end;) {
    sequences.clear();
    int64_t rows = 0;
    std::size_t end = begin;
    for (; end < range.end; ++end) {
      const int64_t more = std::ssize(samples[end].tokens) - 1;
      if (end > begin && (rows + more > micro_batch.rows_max() || !cut.pack)) break;
      rows += more;
      sequences.push_back(sequence_of(samples[end]));
    }
    if (is_interrupted(cut.interrupted)) return error("interrupted");
    micro_batch.forward(sequences);
    INVAR_RETURN_IF_ERROR(body({begin, end}));
    begin = end;
  }
  return Ok{};
}

Result<std::vector<float>> score(MicroBatch& micro_batch, std::span<const PolicySample> samples,
                                 const MicroBatchCut& cut) {
  std::vector<float> scores;
  INVAR_RETURN_IF_ERROR(
      for_micro_batches(micro_batch, samples, {0, samples.size()}, cut, [&](const SampleRange&) -> Status {
        scores.insert(scores.end(), micro_batch.log_probs().begin(), micro_batch.log_probs().end());
        return Ok{};
      }));
  return scores;
}

}  // namespace invar
