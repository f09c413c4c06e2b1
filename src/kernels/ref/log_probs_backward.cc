#include "kernels/log_probs_backward.h"

#include "kernels/tiers.h"
#include "numerics/functions.h"

namespace invar::ref {

void log_probs_backward(const LogProbsBackwardArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* logits = args.logits + r * args.logits_stride;
    bf16* d_logits = args.d_logits + r * args.d_logits_stride;
    const float temperature = args.temperature == nullptr ? 1.0f : args.temperature[r];
    const float d_log_prob = args.d_log_prob[r];
    for (int64_t v = 0; v < args.vocab; ++v) {
      const float l = (logits[v] / temperature - args.log_sum[r].max) - args.log_sum[r].log_sum;
      const float bounded = num::max(-128.0f, l);  // p is 0 there, whatever t is
      const float p = num::exp(bounded);
      const float t = args.d_entropy == nullptr
                          ? d_log_prob
                          : num::fma(args.d_entropy[r], bounded + args.entropy[r], d_log_prob);
      const float d_z = v == args.tokens[r] ? num::fma(-p, t, d_log_prob) : -(p * t);
      d_logits[v] = to_bf16(d_z / temperature);  // ascending v: in place it never overtakes the reads
    }
  }
}

}  // namespace invar::ref
