// One step of NUM-H16 on vectors: the operands in the form that h16_avx2.h and h16_avx512.h compute with.
//
// A step consumes a group of 16 k. Each operand is kept twice: as fp32 (exact), whose products are exact because 8 by 8
// bits of significand fit in 24; and as an exponent code, so that the un-normalised exponent of a product is one
// integer addition. The codes make the rare operands visible in the same maximum:
//   zero           kH16Zero     any sum with it is negative (unless the other is special): it takes no part
//   subnormal      1            the exponent -126, biased
//   normal         the exponent field, 1..254
//   Inf, NaN       kH16Special  any sum with it is above every finite one
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

constexpr int16_t kH16Zero = -2000;
constexpr int16_t kH16Special = 10000;

// The weights of one group: 16 k of the 16 outputs of a panel. 1536 bytes.
struct alignas(64) H16Weights {
  float value[16][16];      // [k, output]
  int16_t exponent[8][32];  // [k / 2, (output, k % 2)]: codes, in the order of the packed lines
};

// The activations of one row and group. 96 bytes.
struct alignas(32) H16Row {
  float value[16];       // [k]
  int16_t exponent[16];  // [k]: codes
};

// The vector steps compute exactly for exponents E of NUM-H16 in [-101, 125], biased by 254 as sums of two fields:
//   - 2^(25-E) and 2^(E-25) are normal fp32 numbers, and so is every non-zero result, a multiple of 2^(E-25) >= 2^-126;
//   - a product is below 2^(E+2) <= 2^127; where its fp32 rounding is inexact it is below 2^-133, its term is zero;
//   - a term is at most 255^2 2^11 in units of 2^(E-25), so 16 of them, 2130739200, fit in int32. With c's term of at
//     most 2^26 - 4 they may not: that last sum is taken in 33 bits.
// Every other lane goes to h16_lanes.
constexpr int32_t kH16Low = 254 - 101;
constexpr int32_t kH16High = 254 + 125;

// result[n] = H16(c[n]; row, weights[., n]) for each n whose bit is set in `lanes`; others are left alone. Scalar code
// of the contract, for the lanes with an exponent out of the range above. c, result: [16].
void h16_lanes(uint32_t lanes, const float* c, const H16Row& row, const H16Weights& weights, float* result);

}  // namespace invar
