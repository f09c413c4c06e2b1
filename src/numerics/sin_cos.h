// sin and cos of any fp32, for rotary tables: scalar, in binary64 with an integer reduction. Contract ids
// NUM-SIN, NUM-COS (docs/numerics.md).
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar::num {

struct SinCos {
  float sin;
  float cos;
};

// x = quadrant * pi/2 + angle, |angle| <= pi/4 up to rounding.
struct ReducedAngle {
  double angle;
  uint32_t quadrant;  // modulo 4
};

// Payne and Hanek's reduction: x = m 2^s with a 24-bit integer m, and of 2/pi only the 96 bits matter that
// make m 2^s 2/pi modulo 4 to 2^-70. finite x.
INVAR_INLINE ReducedAngle reduce_angle(float x) {
  // 32 zeros, then the binary digits of 2/pi.
  constexpr uint32_t kTwoOverPi[8] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                      0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
  const uint32_t bits = as_int(x) & 0x7fffffffu;
  if (bits < 0x3f490fdbu) return {x, 0};  // below pi/4
  const int shift = static_cast<int>(bits >> 23) - 150;
  const uint64_t m = (bits & 0x7fffffu) | 0x800000u;

  // The window starts at the digit of weight 2 after scaling by 2^shift; shift is in [-24, 104].
  const uint32_t begin = static_cast<uint32_t>(shift + 30);
  uint32_t window[3];
  for (uint32_t i = 0; i < 3; ++i) {
    const uint32_t word = (begin >> 5) + i;
    const uint64_t pair = static_cast<uint64_t>(kTwoOverPi[word]) << 32 | kTwoOverPi[word + 1];
    window[i] = static_cast<uint32_t>(pair << (begin & 31u) >> 32);
  }
  // m * window modulo 2^96: 2 bits of quadrant, 94 bits of fraction.
  const uint64_t low = m * window[2];
  const uint64_t middle = (low >> 32) + m * window[1];
  const uint64_t high = (middle >> 32) + m * window[0];
  const uint64_t top = high << 32 | (middle & 0xffffffffu);
  // To the nearest quadrant: the fraction read as a signed number of 2^-64 turns of pi/2.
  const uint64_t fraction = top << 2 | (low & 0xffffffffu) >> 30;
  const uint32_t quadrant = static_cast<uint32_t>(top >> 62) + static_cast<uint32_t>(fraction >> 63);
  const double angle = static_cast<double>(static_cast<int64_t>(fraction)) * (0x1.921fb54442d18p+0 * 0x1p-64);
  const bool negative = x < 0;
  return {negative ? -angle : angle, (negative ? 0u - quadrant : quadrant) & 3u};
}

// NUM-SIN and NUM-COS of x; both NaN for infinities and NaN. sin(-0) = -0.
INVAR_INLINE SinCos sin_cos(float x) {
  if ((as_int(x) & 0x7f800000u) == 0x7f800000u) return {x - x, x - x};
  const ReducedAngle r = reduce_angle(x);
  const double z = r.angle * r.angle;
  // Taylor: on |angle| <= pi/4 the first term left out is below 2^-45 of the sum.
  double s = 1.0 / 6227020800.0;
  s = __builtin_fma(s, z, -1.0 / 39916800.0);
  s = __builtin_fma(s, z, 1.0 / 362880.0);
  s = __builtin_fma(s, z, -1.0 / 5040.0);
  s = __builtin_fma(s, z, 1.0 / 120.0);
  s = __builtin_fma(s, z, -1.0 / 6.0);
  s = __builtin_fma(s, z, 1.0) * r.angle;  // keeps the sign of a zero
  double c = -1.0 / 87178291200.0;
  c = __builtin_fma(c, z, 1.0 / 479001600.0);
  c = __builtin_fma(c, z, -1.0 / 3628800.0);
  c = __builtin_fma(c, z, 1.0 / 40320.0);
  c = __builtin_fma(c, z, -1.0 / 720.0);
  c = __builtin_fma(c, z, 1.0 / 24.0);
  c = __builtin_fma(c, z, -0.5);
  c = __builtin_fma(c, z, 1.0);
  const float sine = static_cast<float>(s);
  const float cosine = static_cast<float>(c);
  switch (r.quadrant) {
    case 0: return {sine, cosine};
    case 1: return {cosine, -sine};
    case 2: return {-sine, -cosine};
    default: return {-cosine, sine};
  }
}

INVAR_INLINE float sin(float x) { return sin_cos(x).sin; }
INVAR_INLINE float cos(float x) { return sin_cos(x).cos; }

}  // namespace invar::num
