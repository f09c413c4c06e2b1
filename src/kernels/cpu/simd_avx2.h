// Sixteen fp32 or int32 lanes in two ymm registers. The same names as simd_avx512.h, so that a
// kernel body is one text. They include the operations that the templates of numerics/functions.h
// ask for.
//
// Everything is in an anonymous namespace, as there. Include it in *_avx2.cc only.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "numerics/bf16.h"

#define INVAR_SIMD [[gnu::always_inline]] inline

namespace invar {
namespace {

// All ones or all zeros in each 32-bit lane.
struct Mask16 {
  __m256i lo, hi;

  static constexpr int kLanes = 16;
};
INVAR_SIMD Mask16 operator&(Mask16 a, Mask16 b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
INVAR_SIMD Mask16 operator|(Mask16 a, Mask16 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
INVAR_SIMD Mask16 operator!(Mask16 a) {
  const __m256i ones = _mm256_set1_epi32(-1);
  return {_mm256_xor_si256(a.lo, ones), _mm256_xor_si256(a.hi, ones)};
}
INVAR_SIMD uint32_t lane_bits(Mask16 a) {  // bit i is lane i
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(a.lo))) |
         static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(a.hi))) << 8;
}
INVAR_SIMD bool any(Mask16 a) { return lane_bits(a) != 0; }
INVAR_SIMD bool all(Mask16 a) { return lane_bits(a) == 0xffff; }
// Lanes 0..n-1; n >= 16 is all of them, n <= 0 none.
INVAR_SIMD Mask16 first_lanes(int64_t n) {
  const __m256i count = _mm256_set1_epi32(static_cast<int32_t>(n < 0 ? 0 : n > 16 ? 16 : n));
  return {_mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
}

struct I32x16 {
  static constexpr int kLanes = 16;
  __m256i lo, hi;

  I32x16() = default;
  INVAR_SIMD I32x16(uint32_t x) : lo(_mm256_set1_epi32(static_cast<int32_t>(x))), hi(lo) {}
  INVAR_SIMD I32x16(__m256i low, __m256i high) : lo(low), hi(high) {}
};
INVAR_SIMD I32x16 operator+(I32x16 a, I32x16 b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
INVAR_SIMD I32x16 operator-(I32x16 a, I32x16 b) {
  return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
INVAR_SIMD I32x16 operator&(I32x16 a, I32x16 b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
INVAR_SIMD I32x16 operator|(I32x16 a, I32x16 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
INVAR_SIMD I32x16 operator^(I32x16 a, I32x16 b) {
  return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
INVAR_SIMD Mask16 operator==(I32x16 a, I32x16 b) {
  return {_mm256_cmpeq_epi32(a.lo, b.lo), _mm256_cmpeq_epi32(a.hi, b.hi)};
}
INVAR_SIMD Mask16 operator>(I32x16 a, I32x16 b) {
  return {_mm256_cmpgt_epi32(a.lo, b.lo), _mm256_cmpgt_epi32(a.hi, b.hi)};
}
INVAR_SIMD Mask16 operator<(I32x16 a, I32x16 b) { return b > a; }
// Shifts left, right with zeros, right with the sign.
template <int kBits>
INVAR_SIMD I32x16 shl(I32x16 a) {
  return {_mm256_slli_epi32(a.lo, kBits), _mm256_slli_epi32(a.hi, kBits)};
}
template <int kBits>
INVAR_SIMD I32x16 shr(I32x16 a) {
  return {_mm256_srli_epi32(a.lo, kBits), _mm256_srli_epi32(a.hi, kBits)};
}
template <int kBits>
INVAR_SIMD I32x16 sar(I32x16 a) {
  return {_mm256_srai_epi32(a.lo, kBits), _mm256_srai_epi32(a.hi, kBits)};
}
INVAR_SIMD I32x16 select(Mask16 m, I32x16 yes, I32x16 no) {
  return {_mm256_blendv_epi8(no.lo, yes.lo, m.lo), _mm256_blendv_epi8(no.hi, yes.hi, m.hi)};
}
INVAR_SIMD I32x16 iota() {
  return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}
INVAR_SIMD I32x16 load_i32(const int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
INVAR_SIMD void store_i32(int32_t* p, I32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.lo);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), a.hi);
}

// The 64-bit product of unsigned lanes, by halves.
struct WideProduct {
  I32x16 high;
  I32x16 low;
};
INVAR_SIMD void multiply_wide(__m256i a, __m256i b, __m256i& high, __m256i& low) {
  const __m256i even = _mm256_mul_epu32(a, b);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
  high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
INVAR_SIMD WideProduct multiply_wide(I32x16 a, I32x16 b) {
  WideProduct product;
  multiply_wide(a.lo, b.lo, product.high.lo, product.low.lo);
  multiply_wide(a.hi, b.hi, product.high.hi, product.low.hi);
  return product;
}

INVAR_SIMD void transpose_parts(const __m256i (&a)[4], __m256i (&b)[4]) {
  const __m256i low01 = _mm256_unpacklo_epi32(a[0], a[1]), high01 = _mm256_unpackhi_epi32(a[0], a[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(a[2], a[3]), high23 = _mm256_unpackhi_epi32(a[2], a[3]);
  b[0] = _mm256_unpacklo_epi64(low01, low23);
  b[1] = _mm256_unpackhi_epi64(low01, low23);
  b[2] = _mm256_unpacklo_epi64(high01, high23);
  b[3] = _mm256_unpackhi_epi64(high01, high23);
}
// b[i] part p lane j = a[j] part p lane i, a part being 128 bits: 4 x 4 transposes.
INVAR_SIMD void transpose_parts(const I32x16 (&a)[4], I32x16 (&b)[4]) {
  const __m256i low[4] = {a[0].lo, a[1].lo, a[2].lo, a[3].lo}, high[4] = {a[0].hi, a[1].hi, a[2].hi, a[3].hi};
  __m256i low_t[4], high_t[4];
  transpose_parts(low, low_t);
  transpose_parts(high, high_t);
  for (int i = 0; i < 4; ++i) b[i] = I32x16(low_t[i], high_t[i]);
}

struct F32x16 {
  static constexpr int kLanes = 16;
  __m256 lo, hi;

  F32x16() = default;
  INVAR_SIMD F32x16(float x) : lo(_mm256_set1_ps(x)), hi(lo) {}
  INVAR_SIMD F32x16(__m256 low, __m256 high) : lo(low), hi(high) {}
};
INVAR_SIMD F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
INVAR_SIMD F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
INVAR_SIMD F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
INVAR_SIMD F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
INVAR_SIMD F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
INVAR_SIMD F32x16 fms(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmsub_ps(a.lo, b.lo, c.lo), _mm256_fmsub_ps(a.hi, b.hi, c.hi)};
}
INVAR_SIMD F32x16 sqrt(F32x16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
// max is a > b ? a : b, min a < b ? a : b: b where one is NaN or both are zeros.
INVAR_SIMD F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
INVAR_SIMD F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
// Comparisons are false where a lane is NaN.
#define INVAR_COMPARE(op, predicate)                                    \
  INVAR_SIMD Mask16 operator op(F32x16 a, F32x16 b) {                   \
    return {_mm256_castps_si256(_mm256_cmp_ps(a.lo, b.lo, predicate)),  \
            _mm256_castps_si256(_mm256_cmp_ps(a.hi, b.hi, predicate))}; \
  }
INVAR_COMPARE(==, _CMP_EQ_OQ)
INVAR_COMPARE(<, _CMP_LT_OQ)
INVAR_COMPARE(<=, _CMP_LE_OQ)
INVAR_COMPARE(>, _CMP_GT_OQ)
INVAR_COMPARE(>=, _CMP_GE_OQ)
#undef INVAR_COMPARE
INVAR_SIMD Mask16 less(F32x16 a, F32x16 b) { return a < b; }
INVAR_SIMD Mask16 equal(F32x16 a, F32x16 b) { return a == b; }
INVAR_SIMD Mask16 is_nan(F32x16 a) {
  return {_mm256_castps_si256(_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q)),
          _mm256_castps_si256(_mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q))};
}
INVAR_SIMD F32x16 select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_castsi256_ps(m.lo)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_castsi256_ps(m.hi))};
}

INVAR_SIMD I32x16 as_int(F32x16 a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
INVAR_SIMD F32x16 as_float(I32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
INVAR_SIMD F32x16 operator-(F32x16 a) { return as_float(as_int(a) ^ I32x16(0x80000000u)); }
INVAR_SIMD F32x16 to_float(I32x16 a) {  // nearest even
  return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
INVAR_SIMD I32x16 to_i32(F32x16 a) {  // nearest even, |a| < 2^31
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
INVAR_SIMD I32x16 truncate_i32(F32x16 a) { return {_mm256_cvttps_epi32(a.lo), _mm256_cvttps_epi32(a.hi)}; }
INVAR_SIMD F32x16 round_even(F32x16 a) {
  return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

// Loads and stores need no alignment. With n, only lanes 0..n-1 touch memory; the others read as
// `fill`.
INVAR_SIMD F32x16 load_f32(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
INVAR_SIMD F32x16 load_f32(const float* p, int64_t n, F32x16 fill = 0.0f) {
  const Mask16 m = first_lanes(n);
  return select(m, F32x16(_mm256_maskload_ps(p, m.lo), _mm256_maskload_ps(p + 8, m.hi)), fill);
}
INVAR_SIMD void store_f32(float* p, F32x16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
INVAR_SIMD void store_f32(float* p, F32x16 a, int64_t n) {
  const Mask16 m = first_lanes(n);
  _mm256_maskstore_ps(p, m.lo, a.lo);
  _mm256_maskstore_ps(p + 8, m.hi, a.hi);
}

INVAR_SIMD __m256 widen_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
INVAR_SIMD F32x16 load_bf16(const bf16* p) {
  return {widen_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          widen_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
INVAR_SIMD F32x16 load_bf16(const bf16* p, int64_t n) {
  bf16 lanes[16] = {};
  if (n > 0) std::memcpy(lanes, p, static_cast<std::size_t>(n < 16 ? n : 16) * sizeof(bf16));
  return load_bf16(lanes);
}
// NUM-BF16.
INVAR_SIMD I32x16 bf16_bits(F32x16 a) {
  const I32x16 bits = as_int(a);
  const I32x16 rounded = shr<16>(bits + I32x16(0x7fff) + (shr<16>(bits) & I32x16(1)));
  return select(is_nan(a), I32x16(0x7fff), rounded);
}
INVAR_SIMD __m256i narrow_bf16(F32x16 a) {
  const I32x16 bits = bf16_bits(a);
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(bits.lo, bits.hi), _MM_SHUFFLE(3, 1, 2, 0));
}
INVAR_SIMD F32x16 round_bf16(F32x16 a) { return as_float(shl<16>(bf16_bits(a))); }
INVAR_SIMD void store_bf16(bf16* p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_bf16(a));
}
INVAR_SIMD void store_bf16(bf16* p, F32x16 a, int64_t n) {
  bf16 lanes[16];
  store_bf16(lanes, a);
  if (n > 0) std::memcpy(p, lanes, static_cast<std::size_t>(n < 16 ? n : 16) * sizeof(bf16));
}

// Writes the chosen lanes side by side at p, in lane order; p has room for 16. Returns how many.
INVAR_SIMD int64_t compress_store(int32_t* p, Mask16 m, I32x16 a) {
  alignas(32) int32_t lanes[16];
  store_i32(lanes, a);
  int64_t count = 0;
  for (uint32_t left = lane_bits(m); left != 0; left &= left - 1) p[count++] = lanes[__builtin_ctz(left)];
  return count;
}

INVAR_SIMD __m256 low_half(F32x16 a) { return a.lo; }
INVAR_SIMD __m256 high_half(F32x16 a) { return a.hi; }

// t = 0..7, one a register -> lane t of the result: the fold over j.
INVAR_SIMD __m256 fold_eight(const F32x16* s) {
  __m256 quad[4];  // stride 4: {t = 2k, t = 2k + 1}
  for (int k = 0; k < 4; ++k)
    quad[k] = _mm256_add_ps(_mm256_permute2f128_ps(s[k].lo, s[k].hi, 0x20),
                            _mm256_permute2f128_ps(s[k].lo, s[k].hi, 0x31));
  __m256 pair[2];  // stride 2: in half q, {t = 4k + q: two sums, t = 4k + 2 + q: two sums}
  for (int k = 0; k < 2; ++k)
    pair[k] = _mm256_add_ps(_mm256_shuffle_ps(quad[2 * k], quad[2 * k + 1], _MM_SHUFFLE(1, 0, 1, 0)),
                            _mm256_shuffle_ps(quad[2 * k], quad[2 * k + 1], _MM_SHUFFLE(3, 2, 3, 2)));
  // stride 1: half q holds t = q, 2 + q, 4 + q, 6 + q.
  const __m256 sums = _mm256_add_ps(_mm256_shuffle_ps(pair[0], pair[1], _MM_SHUFFLE(2, 0, 2, 0)),
                                    _mm256_shuffle_ps(pair[0], pair[1], _MM_SHUFFLE(3, 1, 3, 1)));
  return _mm256_permutevar8x32_ps(sums, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
// s[i] holds lanes (t, j) of NUM-RED for t = 2i and 2i + 1; lane t of the result is the fold over j
// of lane t:
// ((s0+s4)+(s2+s6)) + ((s1+s5)+(s3+s7)).
INVAR_SIMD F32x16 fold_groups_of_8(const F32x16 (&s)[8]) { return {fold_eight(s), fold_eight(s + 4)}; }

// a[0..7] + a[8..15], and so on: strides 8, 4, 2, 1.
INVAR_SIMD float fold_halves(F32x16 a) {
  const __m256 v8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 v4 = _mm_add_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
  const __m128 v2 = _mm_add_ps(v4, _mm_movehl_ps(v4, v4));
  return _mm_cvtss_f32(_mm_add_ss(v2, _mm_movehdup_ps(v2)));
}

INVAR_SIMD float max_of_lanes(F32x16 a) {
  const __m256 v8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 v4 = _mm_max_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
  const __m128 v2 = _mm_max_ps(v4, _mm_movehl_ps(v4, v4));
  return _mm_cvtss_f32(_mm_max_ss(v2, _mm_movehdup_ps(v2)));
}

// Sixteen uint64 sums.
struct U64x16 {
  __m256i quarter[4];

  U64x16() = default;
  INVAR_SIMD U64x16(uint64_t x) {
    for (__m256i& q : quarter) q = _mm256_set1_epi64x(static_cast<int64_t>(x));
  }
};
INVAR_SIMD U64x16 operator+(U64x16 a, U64x16 b) {
  for (int i = 0; i < 4; ++i) a.quarter[i] = _mm256_add_epi64(a.quarter[i], b.quarter[i]);
  return a;
}
INVAR_SIMD U64x16 operator-(U64x16 a, U64x16 b) {
  for (int i = 0; i < 4; ++i) a.quarter[i] = _mm256_sub_epi64(a.quarter[i], b.quarter[i]);
  return a;
}
INVAR_SIMD void store_u64(uint64_t* p, U64x16 a) {
  for (int i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4 * i), a.quarter[i]);
}
INVAR_SIMD uint64_t sum_of_lanes(U64x16 a) {
  uint64_t lanes[16];
  store_u64(lanes, a);
  uint64_t sum = 0;
  for (uint64_t lane : lanes) sum += lane;
  return sum;
}
// The bits of double(a) + anchor, one binary64 rounding to nearest even. With anchor = 2^(52-s) and
// 0 <= a <= anchor / 2 that is bits(anchor) + a * 2^s rounded to an integer.
INVAR_SIMD U64x16 anchored_bits(F32x16 a, double anchor) {
  const __m256d c = _mm256_set1_pd(anchor);
  const __m128 parts[4] = {_mm256_castps256_ps128(a.lo), _mm256_extractf128_ps(a.lo, 1),
                           _mm256_castps256_ps128(a.hi), _mm256_extractf128_ps(a.hi, 1)};
  U64x16 bits;
  for (int i = 0; i < 4; ++i)
    bits.quarter[i] = _mm256_castpd_si256(_mm256_add_pd(_mm256_cvtps_pd(parts[i]), c));
  return bits;
}

}  // namespace
}  // namespace invar
