// Loops over a row of logits, or a piece of one, in their SIMD tiers: what log_probs is made of,
// and sample in part.
#pragma once

#include <cstdint>

namespace invar::cpu {

struct LogitPiece {
  const float* logits;  // [count]; finite or -inf
  int64_t count;        // > 0
  float temperature;    // > 0; z = logits / temperature
};

// NUM-LSE and NUM-ENTROPY: sums over a row, or a piece of one.
struct MassSums {
  uint64_t mass;
  uint64_t entropy_mass;
};

struct LogProbsKernels {
  // The largest logit (not z); either sign of a zero.
  float (*max)(LogitPiece piece);
  // NUM-LSE: the sum of the masses of z against the row's max z.
  uint64_t (*mass_sum)(LogitPiece piece, float row_max);
  // The same sum, and that of the entropy masses.
  MassSums (*mass_sums)(LogitPiece piece, float row_max);
};

extern const LogProbsKernels kLogProbsAvx2;
extern const LogProbsKernels kLogProbsAvx512;

}  // namespace invar::cpu
