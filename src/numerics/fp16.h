// fp16 (IEEE binary16): 1 sign, 5 exponent, 10 fraction bits. Storage only.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

struct fp16 {
  uint16_t bits;
  friend bool operator==(fp16, fp16) = default;
};
static_assert(sizeof(fp16) == 2);

// Exact; subnormals become normal, NaN payloads are kept.
INVAR_INLINE float to_float(fp16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return __builtin_bit_cast(float, sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x0400u) return __builtin_bit_cast(float, sign | ((magnitude << 13) + (112u << 23)));
  const float value = static_cast<float>(magnitude) * 0x1p-24f;  // subnormal: an integer of 10 bits times 2^-24
  return sign != 0 ? -value : value;
}

}  // namespace invar
