// NUM-P2, the dot-product primitive of the profile fma32 (docs/numerics.md): what one vdpbf16ps computes.
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar {

// A subnormal becomes a zero of the same sign.
INVAR_INLINE float p2_flush(float x) {
  const uint32_t bits = num::as_int(x);
  return (bits & 0x7f800000u) == 0 ? num::as_float(bits & 0x80000000u) : x;
}

// fma(a, w, acc) with subnormal inputs and results flushed. A result is subnormal if it is below 2^-126 after
// rounding to 24 bits as if exponents had no lower end (the FTZ rule of x86). So what rounds up to 2^-126
// only because subnormals have fewer bits, the values from 2^-126 - 2^-150 up to 2^-126 - 2^-151, is flushed
// too.
INVAR_INLINE float p2_fma(float a, float w, float acc) {
  const float fa = p2_flush(a);
  const float fw = p2_flush(w);
  const float facc = p2_flush(acc);
  const float result = num::fma(fa, fw, facc);
  const uint32_t magnitude = num::as_int(result) & 0x7fffffffu;
  if (magnitude > 0x00800000u) return result;
  if (magnitude == 0x00800000u) {
    // acc is +-2^-126 here or the sum is exact; a binary64 sum of the exact product is on the right side.
    const double sum = static_cast<double>(fa) * static_cast<double>(fw) + static_cast<double>(facc);
    if ((sum < 0 ? -sum : sum) >= 0x1p-126 - 0x1p-151) return result;
  }
  return num::as_float(num::as_int(result) & 0x80000000u);
}

// One pair of a chain: the odd element first.
INVAR_INLINE float p2(float acc, bf16 a0, bf16 a1, bf16 w0, bf16 w1) {
  return p2_fma(to_float(a0), to_float(w0), p2_fma(to_float(a1), to_float(w1), acc));
}

// The chain over k elements, k even: acc on entry, then pairs in ascending order. a, w: [k].
INVAR_INLINE float dot_p2(float acc, const bf16* a, const bf16* w, int64_t k) {
  for (int64_t i = 0; i < k; i += 2) acc = p2(acc, a[i], a[i + 1], w[i], w[i + 1]);
  return acc;
}

}  // namespace invar
