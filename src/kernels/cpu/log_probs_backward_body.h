// The text of log_probs_backward for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/log_probs_backward.h"
#include "kernels/tiers.h"
#include "numerics/functions.h"

namespace invar {
namespace {

// The constants of a row in all lanes.
struct GradientRow {
  F32x16 temperature, max, log_sum, d_log_prob, d_entropy, entropy;
};

struct TokenWeight {
  F32x16 p;
  F32x16 t;
};

template <bool kDivide, bool kEntropy>
INVAR_SIMD TokenWeight token_weight(const GradientRow& row, F32x16 logits) {
  const F32x16 z = kDivide ? logits / row.temperature : logits;
  const F32x16 l = max(F32x16(-128.0f), (z - row.max) - row.log_sum);
  return {num::exp(l), kEntropy ? fma(row.d_entropy, l + row.entropy, row.d_log_prob) : row.d_log_prob};
}

template <bool kDivide>
INVAR_SIMD F32x16 over_temperature(const GradientRow& row, F32x16 d_z) {
  return kDivide ? d_z / row.temperature : d_z;
}

template <bool kDivide, bool kEntropy>
INVAR_SIMD F32x16 gradients(const GradientRow& row, F32x16 logits) {
  const TokenWeight w = token_weight<kDivide, kEntropy>(row, logits);
  return over_temperature<kDivide>(row, -(w.p * w.t));
}

// d_logits may lie over the first half of logits: a block is read before it, or one before it, is written.
template <bool kDivide, bool kEntropy>
INVAR_SIMD void gradient_row(const GradientRow& row, const float* logits, int64_t token, int64_t vocab,
                             bf16* d_logits) {
  const TokenWeight w = token_weight<kDivide, kEntropy>(row, F32x16(logits[token]));
  const F32x16 at_token = over_temperature<kDivide>(row, fma(-w.p, w.t, row.d_log_prob));
  int64_t v = 0;
  for (; v + 16 <= vocab; v += 16)
    store_bf16(d_logits + v, gradients<kDivide, kEntropy>(row, load_f32(logits + v)));
  if (const int64_t n = vocab - v; n > 0)
    store_bf16(d_logits + v, gradients<kDivide, kEntropy>(row, load_f32(logits + v, n)), n);
  store_bf16(d_logits + token, at_token, 1);
}

[[gnu::flatten]] void log_probs_backward_rows(const LogProbsBackwardArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float temperature = args.temperature == nullptr ? 1.0f : args.temperature[r];
    const bool entropy = args.d_entropy != nullptr;
    const GradientRow row{.temperature = temperature,
                          .max = args.log_sum[r].max,
                          .log_sum = args.log_sum[r].log_sum,
                          .d_log_prob = args.d_log_prob[r],
                          .d_entropy = entropy ? args.d_entropy[r] : 0.0f,
                          .entropy = entropy ? args.entropy[r] : 0.0f};
    const float* logits = args.logits + r * args.logits_stride;
    bf16* d_logits = args.d_logits + r * args.d_logits_stride;
    if (temperature == 1.0f && !entropy)
      gradient_row<false, false>(row, logits, args.tokens[r], args.vocab, d_logits);
    else if (temperature == 1.0f)
      gradient_row<false, true>(row, logits, args.tokens[r], args.vocab, d_logits);
    else if (!entropy)
      gradient_row<true, false>(row, logits, args.tokens[r], args.vocab, d_logits);
    else
      gradient_row<true, true>(row, logits, args.tokens[r], args.vocab, d_logits);
  }
}

}  // namespace
}  // namespace invar
