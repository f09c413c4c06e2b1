// Shrinking: from a run that fails to the smallest one that still does, axis by axis.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "verify/axes.h"

namespace invar {

struct Run {
  std::vector<int> cases;  // indices, in the order of submission; one may come more than once
  Setting setting;
};

struct Smallest {
  Run run;
  std::string axes;        // "batch x chunk": those that cannot be put back to the reference
  std::string difference;  // of the smallest run
  int64_t attempts = 0;
};

// The first difference that a run shows, "" when it shows none.
using Attempt = std::function<Result<std::string>(const Run&)>;

// `failing` has just failed. Puts back axes, leaves out cases and tries an axis's smaller values while a difference
// stays, in at most `attempts_max` runs. Where no axis is left, `axes` is "neighbours" (other requests before it change
// a request's output), or "repetition" (the same run gives other bits each time, or the failure is gone).
Result<Smallest> shrink(const Attempt& attempt, std::span<const Axis> axes, const Run& failing,
                        int64_t attempts_max);

}  // namespace invar
