// The learning rate of a step. Contract id NUM-LR (docs/numerics.md): a pure function of the step.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace invar {

enum class Decay { kConstant, kLinear, kCosine };

struct Schedule {
  Decay decay = Decay::kConstant;
  double peak = 1e-6;        // > 0
  double end = 0;            // 0 .. peak; what linear and cosine decay to
  int64_t warmup_steps = 0;  // >= 0
  int64_t total_steps = 1;   // > warmup_steps; read by linear and cosine
};

// Errors: a value out of the ranges above.
Status check_schedule(const Schedule& schedule);

// Step 0 is the first update. Warm-up is linear and its first step already moves: peak * (step + 1) / warmup_steps.
// Then, with p = (step - warmup_steps) / (total_steps - warmup_steps): linear end + (peak - end) (1 - p), cosine
// end + (peak - end) (1 + cos(pi p)) / 2; `end` exactly from total_steps on. binary64 with NUM-COS of fp32(pi p), one
// rounding to fp32 at the end.
// Source: the cosine without restarts of Loshchilov and Hutter 2017 (SGDR), arXiv 1608.03983.
float learning_rate(const Schedule& schedule, int64_t step);

Result<Decay> parse_decay(std::string_view name);  // "constant", "linear", "cosine"

}  // namespace invar
