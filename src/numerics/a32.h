// NUM-A32, the dot-product primitive of the profile amx32 (docs/numerics.md): what one tdpbf16ps computes.
#pragma once

#include <cstdint>

#include "numerics/p2.h"
#include "numerics/scalar.h"

namespace invar {

// a + b with subnormal inputs and results flushed. A sum below 2^-126 is exact, so the flush needs no rounding rule.
INVAR_INLINE float a32_add(float a, float b) { return p2_flush(p2_flush(a) + p2_flush(b)); }

// One group: the even elements and the odd ones are a chain each, from +0; their sum is added to acc. a, w: [n], n even
// and at most 32, what is missing is zeros.
INVAR_INLINE float a32(float acc, const bf16* a, const bf16* w, int64_t n) {
  float even = 0.0f;
  float odd = 0.0f;
  for (int64_t i = 0; i < n; i += 2) {
    even = p2_fma(to_float(a[i]), to_float(w[i]), even);
    odd = p2_fma(to_float(a[i + 1]), to_float(w[i + 1]), odd);
  }
  if (n < 32) {  // a zero term turns the -0 that a flush may leave into +0
    even = even + 0.0f;
    odd = odd + 0.0f;
  }
  return a32_add(acc, a32_add(even, odd));
}

// The chain over k elements, k even: acc on entry, then groups of 32 in ascending order, the last one padded with
// zeros. a, w: [k].
INVAR_INLINE float dot_a32(float acc, const bf16* a, const bf16* w, int64_t k) {
  for (int64_t i = 0; i < k; i += 32) acc = a32(acc, a + i, w + i, k - i < 32 ? k - i : 32);
  return acc;
}

}  // namespace invar
