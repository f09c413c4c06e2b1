// NUM-GRID on 16 lanes, for all SIMD tiers; include a simd_*.h first. Sums are U64x16, two's complement, and wrap.
#pragma once

#include "numerics/grid_sum.h"

namespace invar {
namespace {

INVAR_SIMD U64x16 load_i64(const int64_t* p);
INVAR_SIMD void store_i64(int64_t* p, U64x16 a) { store_u64(reinterpret_cast<uint64_t*>(p), a); }

// Lanes that to_grid() flags: |x| >= 2^16 or NaN.
INVAR_SIMD Mask16 outside_grid(F32x16 x) {
  return (as_int(x) & I32x16(0x7fffffffu)) > I32x16(num::as_int(kGridLimit) - 1);
}

// x for add_to_grid() as to_grid() takes it: a lane outside the grid sets `overflow` and counts as 0.
INVAR_SIMD F32x16 grid_part(F32x16 x, bool& overflow) {
  const Mask16 outside = outside_grid(x);
  if (!any(outside)) [[likely]]
    return x;
  overflow = true;
  return select(outside, F32x16(0.0f), x);
}

#ifdef __AVX512F__

INVAR_SIMD U64x16 load_i64(const int64_t* p) { return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 8)}; }

// low + high * 2^kBits in 64 bits, of int32 lanes.
template <int kBits>
INVAR_SIMD U64x16 add_shifted(I32x16 low, I32x16 high) {
  const auto sum = [](__m256i l, __m256i h) {
    return _mm512_add_epi64(_mm512_cvtepi32_epi64(l), _mm512_slli_epi64(_mm512_cvtepi32_epi64(h), kBits));
  };
  return {sum(_mm512_castsi512_si256(low.v), _mm512_castsi512_si256(high.v)),
          sum(_mm512_extracti32x8_epi32(low.v, 1), _mm512_extracti32x8_epi32(high.v, 1))};
}

// from_grid() of 16 sums.
INVAR_SIMD F32x16 load_from_grid(const int64_t* p) {
  const __m256 low = _mm512_cvtepi64_ps(_mm512_loadu_si512(p));
  const __m256 high = _mm512_cvtepi64_ps(_mm512_loadu_si512(p + 8));
  return F32x16(_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)) * F32x16(0x1p-40f);
}

// sum + x * 2^40 to nearest even. A lane outside the grid adds some number; its flag is outside_grid().
INVAR_SIMD U64x16 add_to_grid(U64x16 sum, F32x16 x) {
  // Exact in fp32 but for subnormals, which are 0 here either way.
  const __m512 units = _mm512_mul_ps(x.v, _mm512_set1_ps(0x1p40f));
  return {_mm512_add_epi64(sum.lo, _mm512_cvtps_epi64(_mm512_castps512_ps256(units))),
          _mm512_add_epi64(sum.hi, _mm512_cvtps_epi64(_mm512_extractf32x8_ps(units, 1)))};
}

// Whether a lane has reached 2^62 in magnitude, see grid_merge().
INVAR_SIMD bool grid_overflow(U64x16 a) {
  const __m512i limit = _mm512_set1_epi64(kGridBufferLimit), zero = _mm512_setzero_si512();
  return (_mm512_cmple_epi64_mask(_mm512_add_epi64(a.lo, limit), zero) |
          _mm512_cmple_epi64_mask(_mm512_add_epi64(a.hi, limit), zero)) != 0;
}

#else

INVAR_SIMD U64x16 load_i64(const int64_t* p) {
  U64x16 a;
  for (int i = 0; i < 4; ++i) a.quarter[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p) + i);
  return a;
}

// low + high * 2^kBits in 64 bits, of int32 lanes.
template <int kBits>
INVAR_SIMD U64x16 add_shifted(I32x16 low, I32x16 high) {
  const auto sum = [](__m128i l, __m128i h) {
    return _mm256_add_epi64(_mm256_cvtepi32_epi64(l), _mm256_slli_epi64(_mm256_cvtepi32_epi64(h), kBits));
  };
  U64x16 a;
  a.quarter[0] = sum(_mm256_castsi256_si128(low.lo), _mm256_castsi256_si128(high.lo));
  a.quarter[1] = sum(_mm256_extracti128_si256(low.lo, 1), _mm256_extracti128_si256(high.lo, 1));
  a.quarter[2] = sum(_mm256_castsi256_si128(low.hi), _mm256_castsi256_si128(high.hi));
  a.quarter[3] = sum(_mm256_extracti128_si256(low.hi, 1), _mm256_extracti128_si256(high.hi, 1));
  return a;
}

// from_grid() of 16 sums. AVX2 has no conversion of 64-bit integers; those below 2^51 are exact in binary64, where the
// bits of 1.5 * 2^52 + v are those of 1.5 * 2^52, plus v.
INVAR_SIMD F32x16 load_from_grid(const int64_t* p) {
  const U64x16 sums = load_i64(p);
  const __m256i anchor = _mm256_castpd_si256(_mm256_set1_pd(0x1.8p52));
  const __m256i half = _mm256_set1_epi64x(int64_t{1} << 51), high = _mm256_set1_epi64x(-(int64_t{1} << 52));
  __m256i large = _mm256_setzero_si256();
  __m128 parts[4];
  for (int i = 0; i < 4; ++i) {
    large = _mm256_or_si256(large, _mm256_add_epi64(sums.quarter[i], half));
    const __m256d anchored = _mm256_castsi256_pd(_mm256_add_epi64(sums.quarter[i], anchor));
    parts[i] = _mm256_cvtpd_ps(_mm256_sub_pd(anchored, _mm256_castsi256_pd(anchor)));
  }
  if (_mm256_testz_si256(large, high)) [[likely]]
    return F32x16(_mm256_set_m128(parts[1], parts[0]), _mm256_set_m128(parts[3], parts[2])) *
           F32x16(0x1p-40f);
  alignas(32) float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = from_grid(p[i]);
  return load_f32(lanes);
}

// sum + x * 2^40 to nearest even. A lane outside the grid adds some number; its flag is outside_grid().
INVAR_SIMD U64x16 add_to_grid(U64x16 sum, F32x16 x) {
  const __m128 parts[4] = {_mm256_castps256_ps128(x.lo), _mm256_extractf128_ps(x.lo, 1),
                           _mm256_castps256_ps128(x.hi), _mm256_extractf128_ps(x.hi, 1)};
  // 1.5 * 2^52 + v holds v rounded to an integer in its low bits, for |v| <= 2^51: |x| <= 2^11.
  const __m256d anchor = _mm256_set1_pd(0x1.8p52), scale = _mm256_set1_pd(0x1p40);
  const Mask16 large = (as_int(x) & I32x16(0x7fffffffu)) > I32x16(num::as_int(0x1p11f));
  if (!any(large)) [[likely]] {
    for (int i = 0; i < 4; ++i) {
      const __m256d anchored = _mm256_fmadd_pd(_mm256_cvtps_pd(parts[i]), scale, anchor);
      const __m256i units = _mm256_sub_epi64(_mm256_castpd_si256(anchored), _mm256_castpd_si256(anchor));
      sum.quarter[i] = _mm256_add_epi64(sum.quarter[i], units);
    }
    return sum;
  }
  alignas(32) float lanes[16];
  alignas(32) int64_t units[16];
  store_f32(lanes, x);
  bool overflow = false;
  for (int i = 0; i < 16; ++i) units[i] = to_grid(lanes[i], overflow);
  return sum + load_i64(units);
}

// Whether a lane has reached 2^62 in magnitude, see grid_merge().
INVAR_SIMD bool grid_overflow(U64x16 a) {
  const __m256i limit = _mm256_set1_epi64x(kGridBufferLimit), one = _mm256_set1_epi64x(1);
  __m256i over = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i)
    over = _mm256_or_si256(over, _mm256_cmpgt_epi64(one, _mm256_add_epi64(a.quarter[i], limit)));
  return _mm256_movemask_epi8(over) != 0;
}

#endif

}  // namespace
}  // namespace invar
