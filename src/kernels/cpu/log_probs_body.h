// The text of log_probs for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/log_probs.h"
#include "numerics/functions.h"

namespace invar {
namespace {

[[gnu::flatten]] inline float max_logit(cpu::LogitPiece piece) {
  const float* p = piece.logits;
  const int64_t n = piece.count;
  F32x16 m[4] = {-num::kInfinity, -num::kInfinity, -num::kInfinity, -num::kInfinity};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64)
    for (int u = 0; u < 4; ++u) m[u] = max(m[u], load_f32(p + i + 16 * u));
  for (; i < n; i += 16) m[0] = max(m[0], load_f32(p + i, n - i, -num::kInfinity));
  return max_of_lanes(max(max(m[0], m[1]), max(m[2], m[3])));
}

// bits(2^12 + e) = bits(2^12) + mass for e in [0, 1]: one binary64 addition is the rounding to a
// multiple of 2^-40.
constexpr double kMassAnchor = 0x1p12;
constexpr uint64_t kMassAnchorBits = (1023ull + 12) << 52;

template <bool kDivide>
INVAR_SIMD U64x16 anchored_mass(F32x16 logits, F32x16 temperature, F32x16 row_max) {
  const F32x16 z = kDivide ? logits / temperature : logits;
  return anchored_bits(num::exp(z - row_max), kMassAnchor);
}

template <bool kDivide>
INVAR_SIMD uint64_t mass_sum_loop(cpu::LogitPiece piece, float row_max_value) {
  const F32x16 temperature = piece.temperature, row_max = row_max_value;
  U64x16 sums[2] = {uint64_t{0}, uint64_t{0}};
  int64_t i = 0;
  for (; i + 32 <= piece.count; i += 32)
    for (int u = 0; u < 2; ++u)
      sums[u] = sums[u] + anchored_mass<kDivide>(load_f32(piece.logits + i + 16 * u), temperature, row_max);
  for (; i < piece.count; i += 16) {
    const F32x16 tail = load_f32(piece.logits + i, piece.count - i, -num::kInfinity);  // of mass 0
    sums[0] = sums[0] + anchored_mass<kDivide>(tail, temperature, row_max);
  }
  // The anchors were added modulo 2^64, 16 for each vector.
  const uint64_t vectors = static_cast<uint64_t>((piece.count + 15) / 16);
  return sum_of_lanes(sums[0] + sums[1]) - 16 * vectors * kMassAnchorBits;
}

[[gnu::flatten]] inline uint64_t mass_sum(cpu::LogitPiece piece, float row_max) {
  return piece.temperature == 1.0f ? mass_sum_loop<false>(piece, row_max)
                                   : mass_sum_loop<true>(piece, row_max);
}

template <bool kDivide>
INVAR_SIMD void add_masses(F32x16 logits, F32x16 temperature, F32x16 row_max, U64x16 (&sums)[2]) {
  const F32x16 z = kDivide ? logits / temperature : logits;
  const F32x16 x = z - row_max;
  const F32x16 e = num::exp(x);
  sums[0] = sums[0] + anchored_bits(e, kMassAnchor);
  sums[1] = sums[1] + anchored_bits(e * min(-x, F32x16(128.0f)), kMassAnchor);
}

template <bool kDivide>
INVAR_SIMD cpu::MassSums mass_sums_loop(cpu::LogitPiece piece, float row_max_value) {
  const F32x16 temperature = piece.temperature, row_max = row_max_value;
  U64x16 sums[2] = {uint64_t{0}, uint64_t{0}};
  int64_t i = 0;
  for (; i + 16 <= piece.count; i += 16)
    add_masses<kDivide>(load_f32(piece.logits + i), temperature, row_max, sums);
  if (i < piece.count)  // -inf is of mass 0
    add_masses<kDivide>(load_f32(piece.logits + i, piece.count - i, -num::kInfinity), temperature, row_max,
                        sums);
  const uint64_t anchors = 16 * static_cast<uint64_t>((piece.count + 15) / 16) * kMassAnchorBits;
  return {sum_of_lanes(sums[0]) - anchors, sum_of_lanes(sums[1]) - anchors};
}

[[gnu::flatten]] inline cpu::MassSums mass_sums(cpu::LogitPiece piece, float row_max) {
  return piece.temperature == 1.0f ? mass_sums_loop<false>(piece, row_max)
                                   : mass_sums_loop<true>(piece, row_max);
}

}  // namespace
}  // namespace invar
