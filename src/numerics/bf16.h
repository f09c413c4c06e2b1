// bf16: 1 sign, 8 exponent, 7 fraction bits; the upper half of an fp32. Contract id NUM-BF16
// (docs/numerics.md).
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define INVAR_HD __host__ __device__
#else
#define INVAR_HD
#endif

// For the functions of this folder: compiled for host and device, and always inlined, so that a file built
// for a wider instruction set leaves no copy of them that the linker could pick for everybody else.
#define INVAR_INLINE INVAR_HD inline __attribute__((always_inline))

namespace invar {

struct bf16 {
  uint16_t bits;
  friend bool operator==(bf16, bf16) = default;
};
static_assert(sizeof(bf16) == 2);

// Exact.
INVAR_INLINE float to_float(bf16 x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16); }

// NUM-BF16: round to nearest, ties to even; subnormals kept, overflow to infinity; every NaN becomes 0x7FFF.
INVAR_INLINE bf16 to_bf16(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

}  // namespace invar
