// The operations that numerics/functions.h is written in, for one float. The list of them, and what a SIMD
// type has to supply, is at the top of functions.h.
//
// An integer vector is uint32_t here: addition and shifts wrap, nothing is undefined.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar::num {

INVAR_INLINE uint32_t as_int(float x) { return __builtin_bit_cast(uint32_t, x); }
INVAR_INLINE float as_float(uint32_t x) { return __builtin_bit_cast(float, x); }
// The integer read as signed, rounded to nearest even.
INVAR_INLINE float to_float(uint32_t x) { return static_cast<float>(static_cast<int32_t>(x)); }

template <int kBits>
INVAR_INLINE uint32_t shl(uint32_t x) {
  return x << kBits;
}
template <int kBits>
INVAR_INLINE uint32_t shr(uint32_t x) {
  return x >> kBits;
}
template <int kBits>
INVAR_INLINE uint32_t sar(uint32_t x) {
  return static_cast<uint32_t>(static_cast<int32_t>(x) >> kBits);
}

// One rounding.
INVAR_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INVAR_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }

// The second operand where either is NaN, and of two equal ones: what x86's minps and maxps do.
INVAR_INLINE float min(float a, float b) { return a < b ? a : b; }
INVAR_INLINE float max(float a, float b) { return a > b ? a : b; }

INVAR_INLINE bool less(float a, float b) { return a < b; }
INVAR_INLINE bool equal(float a, float b) { return a == b; }
INVAR_INLINE float select(bool condition, float yes, float no) { return condition ? yes : no; }

}  // namespace invar::num
