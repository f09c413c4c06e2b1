#include "kernels/log_probs.h"

#include "kernels/tiers.h"
#include "numerics/log_sum.h"

namespace invar::ref {

void log_probs(const LogProbsArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* logits = args.logits + r * args.logits_stride;
    const float temperature = args.temperature == nullptr ? 1.0f : args.temperature[r];
    float max = -num::kInfinity;
    for (int64_t v = 0; v < args.vocab; ++v) max = num::max(logits[v] / temperature, max);
    max = max + 0.0f;  // a zero is +0
    uint64_t total = 0, entropy_total = 0;
    for (int64_t v = 0; v < args.vocab; ++v) {
      const float x = logits[v] / temperature - max;
      const float e = num::exp(x);
      total += lse_mass(e);
      entropy_total += entropy_mass(x, e);
    }
    const float sum = log_sum(total);
    if (args.log_sum != nullptr) args.log_sum[r] = {max, sum};
    if (args.entropy != nullptr) args.entropy[r] = row_entropy(total, entropy_total, sum);
    if (args.log_prob != nullptr) args.log_prob[r] = log_prob(logits[args.tokens[r]] / temperature, max, sum);
  }
}

}  // namespace invar::ref
