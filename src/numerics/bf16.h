// bf16: 1 sign, 8 exponent, 7 fraction bits; the upper half of an fp32. Contract ids NUM-BF16 (docs/numerics.md).
#pragma once

#include <bit>
#include <cstdint>

#if defined(__CUDACC__)
#define INVAR_HD __host__ __device__
#else
#define INVAR_HD
#endif

namespace invar {

struct bf16 {
  uint16_t bits;
  friend bool operator==(bf16, bf16) = default;
};
static_assert(sizeof(bf16) == 2);

// Exact.
INVAR_HD inline float to_float(bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

// NUM-BF16: round to nearest, ties to even; subnormals kept, overflow to infinity; every NaN becomes 0x7FFF.
INVAR_HD inline bf16 to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

}  // namespace invar
