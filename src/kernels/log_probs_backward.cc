#include "kernels/log_probs_backward.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void log_probs_backward(const LogProbsBackwardArgs& args, RowRange rows);
}
namespace cpu {
void log_probs_backward_avx2(const LogProbsBackwardArgs& args, RowRange rows);
void log_probs_backward_avx512(const LogProbsBackwardArgs& args, RowRange rows);
}  // namespace cpu

void log_probs_backward(Queue& queue, const LogProbsBackwardArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.vocab > 0 && args.vocab <= (1 << 23), "vocab = {}", args.vocab);
  if (args.rows == 0) return;
  INVAR_CHECK(args.logits != nullptr && args.tokens != nullptr && args.log_sum != nullptr &&
                  args.d_log_prob != nullptr && args.d_logits != nullptr,
              "logits, tokens, log_sum, d_log_prob and d_logits are needed");
  INVAR_CHECK(args.d_entropy == nullptr || args.entropy != nullptr, "d_entropy needs entropy");
  INVAR_CHECK(args.rows == 1 || (args.logits_stride >= args.vocab && args.d_logits_stride >= args.vocab),
              "logits_stride = {}, d_logits_stride = {}, vocab = {}", args.logits_stride,
              args.d_logits_stride, args.vocab);
  INVAR_CHECK(static_cast<const void*>(args.d_logits) != args.logits ||
                  args.d_logits_stride == 2 * args.logits_stride || args.rows == 1,
              "in place with logits_stride = {}, d_logits_stride = {}", args.logits_stride,
              args.d_logits_stride);
  for (int64_t r = 0; r < args.rows; ++r) {
    const float temperature = args.temperature == nullptr ? 1.0f : args.temperature[r];
    INVAR_CHECK(temperature > 0, "temperature[{}] = {}", r, temperature);
    INVAR_CHECK(args.tokens[r] >= 0 && args.tokens[r] < args.vocab, "tokens[{}] = {}, vocab = {}", r,
                args.tokens[r], args.vocab);
  }
  constexpr Tiers<void(const LogProbsBackwardArgs&, RowRange)> kTiers{
      ref::log_probs_backward, cpu::log_probs_backward_avx2, cpu::log_probs_backward_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, args.vocab, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
