// NUM-H16, the dot-product primitive of the profile tc16 (docs/numerics.md): one K = 16 step of Hopper's
// tensor cores (H100, H200; wgmma and mma.sync), bf16 or fp16 operands, fp32 accumulator. Integers only.
#pragma once

#include <cstdint>

#include "numerics/fp16.h"
#include "numerics/scalar.h"

namespace invar {

// How an operand type is cut into fields.
template <class T>
struct H16Format;
template <>
struct H16Format<bf16> {
  static constexpr int kFractionBits = 7;
  static constexpr int kBias = 127;
  static constexpr uint32_t kExponentMask = 0xff;
};
template <>
struct H16Format<fp16> {
  static constexpr int kFractionBits = 10;
  static constexpr int kBias = 15;
  static constexpr uint32_t kExponentMask = 0x1f;
};

// (-1)^negative * significand * 2^(exponent - fraction bits), the significand not normalised for subnormals.
struct H16Operand {
  uint32_t significand;
  int32_t exponent;
  bool negative;
  bool special;  // infinity or NaN
};

template <class T>
INVAR_INLINE H16Operand h16_operand(T x) {
  using F = H16Format<T>;
  const uint32_t field = x.bits >> F::kFractionBits & F::kExponentMask;
  const uint32_t fraction = x.bits & ((1u << F::kFractionBits) - 1);
  const uint32_t hidden = field != 0 ? 1u : 0u;
  return {fraction | hidden << F::kFractionBits, static_cast<int32_t>(field + 1 - hidden) - F::kBias,
          (x.bits & 0x8000u) != 0, field == F::kExponentMask};
}

// The result where an operand, or c, is an infinity or NaN. a, w: [16].
template <class T>
INVAR_INLINE float h16_special(float c, const T* a, const T* w) {
  constexpr uint32_t kNan = 0x7fffffffu;
  constexpr uint32_t kInfinity = 0x7f800000u;
  bool positive = num::as_int(c) == kInfinity;
  bool negative = num::as_int(c) == (kInfinity | 0x80000000u);
  bool nan = (num::as_int(c) & 0x7fffffffu) > kInfinity;
  for (int i = 0; i < 16; ++i) {
    const H16Operand x = h16_operand(a[i]);
    const H16Operand y = h16_operand(w[i]);
    if (!x.special && !y.special) continue;
    const uint32_t hidden = 1u << H16Format<T>::kFractionBits;
    nan |= (x.special && x.significand != hidden) || (y.special && y.significand != hidden);
    nan |= x.significand == 0 || y.significand == 0;  // infinity times zero
    (x.negative != y.negative ? negative : positive) = true;
  }
  if (nan || (positive && negative)) return num::as_float(kNan);
  return num::as_float(negative ? kInfinity | 0x80000000u : kInfinity);
}

// total * 2^(exponent - 25), exponent >= -133, truncated toward zero to fp32, subnormals kept; infinity
// above the largest finite value.
INVAR_INLINE float h16_round(int64_t total, int32_t exponent) {
  if (total == 0) return 0.0f;
  const uint32_t sign = total < 0 ? 0x80000000u : 0u;
  uint64_t magnitude = static_cast<uint64_t>(total < 0 ? -total : total);  // < 2^32
  const int32_t top = 63 - __builtin_clzll(magnitude);
  // value = magnitude * 2^(exponent - 25); its leading bit has exponent top + exponent - 25.
  const int32_t leading = top + exponent - 25;
  if (leading > 127) return num::as_float(sign | 0x7f800000u);
  const int32_t last = (leading < -126 ? -126 : leading) - 23;  // exponent of the last bit kept
  const int32_t shift = last - (exponent - 25);                 // > 0 drops bits
  magnitude = shift >= 0 ? magnitude >> shift : magnitude << -shift;
  if (magnitude == 0) return 0.0f;  // +0, also for a negative sum
  const uint32_t field = leading < -126 ? 0u : static_cast<uint32_t>(leading + 126) << 23;
  return num::as_float(sign | (field + static_cast<uint32_t>(magnitude)));
}

// d = c + sum of a[i] * w[i], i < 16. a, w: [16], T is bf16 or fp16.
//
// Every product is exact, with exponent e(a) + e(w); all terms are truncated toward zero to multiples of
// 2^(E - 25), E the largest exponent of a term that is not zero, at least -133; their integer sum is
// truncated toward zero to fp32, a zero is +0. tools/gpu/numerics_check.cu compares this with the hardware.
template <class T>
INVAR_INLINE float h16(float c, const T* a, const T* w) {
  constexpr int kShift = 25 - 2 * H16Format<T>::kFractionBits;  // product -> units of 2^(its exponent - 25)
  constexpr int32_t kAbsent = -100000;                          // exponent of a term that takes no part
  const uint32_t c_bits = num::as_int(c);
  const uint32_t c_field = c_bits >> 23 & 0xffu;
  const uint32_t c_significand = (c_bits & 0x7fffffu) | (c_field != 0 ? 0x800000u : 0u);
  const int32_t c_exponent =
      c_significand == 0 ? kAbsent : static_cast<int32_t>(c_field + (c_field == 0)) - 127;

  uint32_t products[16];
  int32_t exponents[16];
  bool negative[16];
  bool special = c_field == 0xffu;
  int32_t largest = c_exponent;
  for (int i = 0; i < 16; ++i) {
    const H16Operand x = h16_operand(a[i]);
    const H16Operand y = h16_operand(w[i]);
    products[i] = x.significand * y.significand;
    exponents[i] = products[i] == 0 ? kAbsent : x.exponent + y.exponent;
    negative[i] = x.negative != y.negative;
    special |= x.special || y.special;
    largest = exponents[i] > largest ? exponents[i] : largest;
  }
  if (special) return h16_special(c, a, w);
  if (largest == kAbsent) return 0.0f;
  if (largest < -133) largest = -133;  // the hardware aligns to nothing finer than 2^-158

  // Every term is below 2^27 units, so 31 bits of shift leave nothing.
  const int32_t c_drop = largest - c_exponent > 31 ? 31 : largest - c_exponent;
  const int64_t c_units = static_cast<int64_t>((c_significand << 2) >> c_drop);
  int64_t total = (c_bits & 0x80000000u) != 0 ? -c_units : c_units;
  for (int i = 0; i < 16; ++i) {
    const int32_t drop = largest - exponents[i] > 31 ? 31 : largest - exponents[i];
    const int64_t units = static_cast<int64_t>((products[i] << kShift) >> drop);
    total += negative[i] ? -units : units;
  }
  return h16_round(total, largest);
}

// The chain over k elements, k a multiple of 16, in ascending groups of 16. a, w: [k].
template <class T>
INVAR_INLINE float dot_h16(float acc, const T* a, const T* w, int64_t k) {
  for (int64_t i = 0; i < k; i += 16) acc = h16(acc, a + i, w + i);
  return acc;
}

}  // namespace invar
