// exp, exp2, log, log1p, sigmoid, silu, rsqrt: one text for scalar, SIMD and device code. Contract ids
// NUM-EXP, NUM-EXP2, NUM-EXP2P, NUM-LOG, NUM-LOG1P, NUM-SIGMOID, NUM-SILU, NUM-RSQRT (docs/numerics.md). sin and cos:
// numerics/sin_cos.h.
//
// Each function is a template over a vector V of floats and works lane by lane without branches. V is float
// with the operations of numerics/scalar.h, or a SIMD struct that brings the same operations, found by
// argument-dependent lookup in its own namespace. Every operation below is one IEEE binary32 operation,
// round to nearest even, subnormals kept (no FTZ or DAZ), so every V gives the same bits. NaN results carry
// any sign and payload.
//
//   V(float)                          every lane the constant; explicit
//   a + b, a - b, a * b, a / b, -a    on V; -a flips the sign bit
//   fma(a, b, c)                      a * b + c, one rounding
//   sqrt(a)                           correctly rounded
//   min(a, b) = a < b ? a : b         so b where either is NaN (vminps, vmaxps)
//   max(a, b) = a > b ? a : b
//   less(a, b), equal(a, b)           a mask type M; false where either is NaN (ordered, quiet)
//   select(M, yes, no)                on V
//   as_int(V) -> I, as_float(I) -> V  bit casts; I has 32 bits a lane
//   I(uint32_t)                       every lane the constant; explicit
//   i - j, i & j, i | j, i ^ j        on I, modulo 2^32
//   shl<n>(i), shr<n>(i), sar<n>(i)   shift left, right with zeros, right with sign; 0 < n < 32
//   to_float(i)                       I read as signed, to nearest even
//
// Where a header name shadows these (std::fma, a macro), call them qualified: invar::num::exp(x).
#pragma once

#include <limits>

#include "numerics/scalar.h"

namespace invar::num {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The integer companion of V.
template <class V>
using IntOf = decltype(as_int(V(0.0f)));

// e^x (or 2^x) in three factors, e^x = mantissa * scale1 * scale2: the mantissa is in [0.7, 1.42], the
// scales are powers of two of about half the exponent each. Multiplied from left to right only the last
// product can round: to a subnormal, once, or to zero or infinity.
template <class V>
struct ExpParts {
  V mantissa;
  V scale1;
  V scale2;
};

// 1.5 * 2^23 + 2 * 127. Added to a small t it rounds t to an integer (ties to even) and leaves that integer,
// plus both halves of an exponent bias of 2 * 127, in the low bits of the sum.
inline constexpr float kExpMagic = 12583166.0f;

// The scales 2^n1 and 2^n2, n1 + n2 = n, for shifted = n + kExpMagic and -186 <= n <= 130.
template <class V>
INVAR_INLINE ExpParts<V> exp_parts(V mantissa, V shifted) {
  const auto biased = as_int(shifted);  // the bits of 1.5 * 2^23, plus 254 + n
  const auto half = shr<1>(biased);     // low 9 bits: 127 + floor(n / 2)
  return {mantissa, as_float(shl<23>(half)), as_float(shl<23>(biased - half))};
}

// Parts of e^x; x is clamped to [-128, 89], beyond which e^x, and x e^x, are 0 or infinite anyway.
template <class V>
INVAR_INLINE ExpParts<V> exp_split(V x) {
  const V t = min(V(89.0f), max(V(-128.0f), x));
  const V shifted = fma(t, V(0x1.715476p+0f), V(kExpMagic));  // log2(e)
  const V n = shifted - V(kExpMagic);
  V r = fma(n, V(-0x1.62e4p-1f), t);  // ln 2 in two pieces; n times the first is exact
  r = fma(n, V(-0x1.7f7d1cp-20f), r);
  V p = V(0x1.6ac74cp-10f);  // minimax on |r| <= ln(2) / 2, relative error 2^-28.2
  p = fma(p, r, V(0x1.123de0p-7f));
  p = fma(p, r, V(0x1.555858p-5f));
  p = fma(p, r, V(0x1.55548cp-3f));
  p = fma(p, r, V(0x1.fffffcp-2f));
  p = fma(p, r, V(1.0f));
  p = fma(p, r, V(1.0f));
  return exp_parts(p, shifted);
}

// NUM-EXP. e^x for every x; e^0 = 1.
template <class V>
INVAR_INLINE V exp(V x) {
  const ExpParts<V> e = exp_split(x);
  return e.mantissa * e.scale1 * e.scale2;
}

// NUM-EXP2. 2^x for every x, exact for integers.
template <class V>
INVAR_INLINE V exp2(V x) {
  const V t = min(V(129.0f), max(V(-151.0f), x));
  const V shifted = t + V(kExpMagic);
  const V f = t - (shifted - V(kExpMagic));
  V p = V(0x1.4bc7b4p-13f);  // minimax on |f| <= 1/2, relative error 2^-27.5
  p = fma(p, f, V(0x1.5fc00ap-10f));
  p = fma(p, f, V(0x1.3b21c6p-7f));
  p = fma(p, f, V(0x1.c6ada6p-5f));
  p = fma(p, f, V(0x1.ebfbe6p-3f));
  p = fma(p, f, V(0x1.62e432p-1f));
  p = fma(p, f, V(1.0f));
  const ExpParts<V> e = exp_parts(p, shifted);
  return e.mantissa * e.scale1 * e.scale2;
}

// NUM-EXP2P. 2^x for attention weights: x <= 0 up to rounding (x < 127 is safe), or -inf; below -126 it is
// 2^-126. The final product is exact, so adding n to the exponent field gives the same bits; a product keeps
// NaN a NaN.
template <class V>
INVAR_INLINE V exp2p(V x) {
  constexpr float kMagic = 12583039.0f;  // 1.5 * 2^23 + 127
  const V t = max(V(-126.0f), x);
  const V shifted = t + V(kMagic);
  const V f = t - (shifted - V(kMagic));
  V p = V(0x1.408bfap-7f);  // minimax on |f| <= 1/2, relative error 2^-18.1
  p = fma(p, f, V(0x1.ca8f5cp-5f));
  p = fma(p, f, V(0x1.ebf1b8p-3f));
  p = fma(p, f, V(0x1.62dfcap-1f));
  p = fma(p, f, V(1.0f));
  return p * as_float(shl<23>(as_int(shifted)));
}

// ln((1 + f) * 2^n) for -1/3 <= f <= 1/3 and an integer n: f + f^2 P(f) + n ln 2, P of degree 8.
template <class V>
INVAR_INLINE V log_core(V f, V n) {
  V p = V(-0x1.07c978p-3f);  // minimax, relative error of the sum 2^-27.7
  p = fma(p, f, V(0x1.1e67a0p-3f));
  p = fma(p, f, V(-0x1.f332a2p-4f));
  p = fma(p, f, V(0x1.1ed660p-3f));
  p = fma(p, f, V(-0x1.559c46p-3f));
  p = fma(p, f, V(0x1.99d044p-3f));
  p = fma(p, f, V(-0x1.fffefcp-3f));
  p = fma(p, f, V(0x1.555506p-2f));
  p = fma(p, f, V(-0.5f));
  p = fma(f * f, p, f);
  return fma(n, V(0x1.62e430p-1f), p);
}

// x = (1 + f) * 2^n with 1 + f in [2/3, 4/3); exponent holds n in the bits of fp32's exponent field.
template <class V>
INVAR_INLINE IntOf<V> log_exponent(V x) {
  using I = IntOf<V>;
  return (as_int(x) - I(0x3f2aaaabu)) & I(0xff800000u);
}

// NUM-LOG for x known to be positive, normal and finite: the same bits as log(x) with fewer operations.
template <class V>
INVAR_INLINE V log_normal(V x) {
  const auto exponent = log_exponent(x);
  return log_core(as_float(as_int(x) - exponent) - V(1.0f), to_float(sar<23>(exponent)));
}

// NUM-LOG. ln x for every x: -inf at +-0, NaN below, inf at inf. ln 1 = +0.
template <class V>
INVAR_INLINE V log(V x) {
  const auto subnormal = less(x, V(0x1p-126f));
  const V scaled = select(subnormal, x * V(0x1p23f), x);
  const auto exponent = log_exponent(scaled);
  const V n = to_float(sar<23>(exponent)) + select(subnormal, V(-23.0f), V(0.0f));
  const V result = log_core(as_float(as_int(scaled) - exponent) - V(1.0f), n);
  const V at_or_below_zero = select(equal(x, V(0.0f)), V(-kInfinity), V(kNan));
  return select(less(V(0.0f), x), select(less(x, V(kInfinity)), result, x),
                select(equal(x, x), at_or_below_zero, x));
}

// NUM-LOG1P. ln(1 + x) for every x, accurate near 0: -inf at -1, NaN below, inf at inf; a zero keeps its sign.
template <class V>
INVAR_INLINE V log1p(V x) {
  using I = IntOf<V>;
  const V u = V(1.0f) + x;
  // Of the rounded 1 + x: at a border it may be one off, and then |f| is past 1/3 by a rounding.
  const auto exponent = log_exponent(u);
  // f = (1 + x) 2^-n - 1 = x 2^-n + (2^-n - 1). For n = 0 that is x itself. x is normal for every other n.
  const V scale4 = as_float(I(0x40800000u) - exponent);  // 4 * 2^-n, normal up to n = 128
  const V offset = fma(V(0.25f), scale4, V(-1.0f));
  const V f = as_float(as_int(x) - exponent) + offset;
  const V result = log_core(f, to_float(sar<23>(exponent)));
  const V at_or_below = select(equal(x, V(-1.0f)), V(-kInfinity), V(kNan));
  const V finite = select(equal(x, V(0.0f)), x, result);
  return select(less(V(-1.0f), x), select(less(x, V(kInfinity)), finite, x),
                select(equal(x, x), at_or_below, x));
}

// NUM-SIGMOID. 1 / (1 + e^-x) for every x, as e^-|x| / (1 + e^-|x|) for x < 0: nothing overflows, and results
// down to the smallest subnormal stay accurate.
template <class V>
INVAR_INLINE V sigmoid(V x) {
  using I = IntOf<V>;
  const ExpParts<V> e = exp_split(as_float(as_int(x) | I(0x80000000u)));
  const V scaled = e.mantissa * e.scale1;
  const auto negative = less(x, V(0.0f));
  const V quotient = select(negative, scaled, V(1.0f)) / (V(1.0f) + scaled * e.scale2);
  return quotient * select(negative, e.scale2, V(1.0f));
}

// NUM-SILU. x / (1 + e^-x) for every x, as x e^-|x| / (1 + e^-|x|) for x < 0; -0 at -inf.
template <class V>
INVAR_INLINE V silu(V x) {
  using I = IntOf<V>;
  const V t = max(V(-128.0f), x);  // silu is -0 from -128 on
  const ExpParts<V> e = exp_split(as_float(as_int(t) | I(0x80000000u)));
  const V scaled = e.mantissa * e.scale1;
  const auto negative = less(t, V(0.0f));
  const V quotient = select(negative, t * scaled, t) / (V(1.0f) + scaled * e.scale2);
  return quotient * select(negative, e.scale2, V(1.0f));
}

// NUM-RSQRT. 1 / sqrt(x), two roundings.
template <class V>
INVAR_INLINE V rsqrt(V x) {
  return V(1.0f) / sqrt(x);
}

}  // namespace invar::num
