// NUM-LSE (docs/numerics.md): log-sum-exp of a row of logits through integers, so that any order of
// summation and any cut of the vocabulary gives the same bits.
#pragma once

#include <cstdint>

#include "numerics/functions.h"

namespace invar {

// exp_value * 2^40 to nearest even, for exp_value = NUM-EXP(z - max) in [0, 1]. At most 2^40, which is the
// mass of the largest logit; 2^23 tokens of it fit in a uint64_t.
INVAR_INLINE uint64_t lse_mass(float exp_value) {
  // 2^52 + v has v rounded to an integer in its low 52 bits.
  const double shifted = static_cast<double>(exp_value) * 0x1p40 + 0x1p52;
  return __builtin_bit_cast(uint64_t, shifted) & 0xfffffffffffffull;
}

// ln(sum_v exp(z[v] - max)) from S = the sum of the masses: NUM-LOG1P(fp32(S - 2^40) * 2^-40).
//
// The largest logit alone contributes 2^40, so S >= 2^40; the rest is exact as an integer, is rounded once
// to fp32 (nearest even), and keeps its relative precision however small: -log_sum is the log-prob of the
// likeliest token. S = 2^40 gives exactly +0.
INVAR_INLINE float log_sum(uint64_t total_mass) {
  const float rest = static_cast<float>(total_mass - (1ull << 40));
  return num::log1p(rest * 0x1p-40f);
}

// NUM-ENTROPY. The part of a token in sum_v exp(z[v] - max) (max - z[v]), as an integer on the grid of the masses:
// e = NUM-EXP(x) times min(-x, 128), for x = z - max <= 0, -inf included; below 2^39.
INVAR_INLINE uint64_t entropy_mass(float x, float e) { return lse_mass(e * num::min(-x, 128.0f)); }

// The entropy -sum_v p[v] log p[v] of a row, from the sums of its masses and of its entropy masses: both terms are
// positive, nothing cancels.
INVAR_INLINE float row_entropy(uint64_t total_mass, uint64_t total_entropy_mass, float row_log_sum) {
  return row_log_sum + static_cast<float>(total_entropy_mass) / static_cast<float>(total_mass);
}

// log-prob of a token with logit z (after temperature), given the row's max and log_sum: (z - max) - log_sum.
INVAR_INLINE float log_prob(float z, float max, float row_log_sum) { return (z - max) - row_log_sum; }

}  // namespace invar
