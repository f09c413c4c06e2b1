// The invariance matrix over a model: one setting of every axis, and what a list of requests gives under it.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model_executor.h"
#include "kernels/queue.h"

namespace invar {

// A value on each axis that may not change a bit.
struct MatrixSetting {
  Tier tier = Tier::kRef;
  int threads = 1;
  int64_t step_rows = 512;  // prefill chunk
  int64_t page_size = 128;
  int64_t batch_max = 1;  // 1: every request runs alone
  uint64_t order = 0;     // which permutation of the requests; 0: as they come
};

std::string describe(const MatrixSetting& setting);

struct MatrixOutcome {
  std::vector<RequestResult> results;  // in the order of the requests, whatever order they ran in
};
MatrixOutcome run(const DecoderModel& model, Profile profile, const std::vector<Request>& requests,
                  const MatrixSetting& setting);

// "" when both outcomes are equal in every bit; otherwise the first difference: request, token and bits.
std::string first_difference(const MatrixOutcome& expected, const MatrixOutcome& found);

// Which axes a difference comes from, for a person: those of `failing` that cannot be put back to `base` without the
// difference going, and the same against `base` in the failing tier, for a kernel that disagrees with itself.
std::string name_axes(const DecoderModel& model, Profile profile, const std::vector<Request>& requests,
                      const MatrixSetting& base, const MatrixOutcome& expected, const MatrixSetting& failing);

// Prompts of many lengths (1 to 300 tokens), greedy and sampled with every filter, from a seed.
std::vector<Request> mixed_requests(int64_t vocab, uint64_t seed);

}  // namespace invar
