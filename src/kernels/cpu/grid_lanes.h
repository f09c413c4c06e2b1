// NUM-GRID for both SIMD tiers: sixteen values at a time (numerics/grid_sum.h has the contract); include a simd_*.h
// first.
#pragma once

#include "numerics/grid_sum.h"

namespace invar {
namespace {

// Whether NUM-GRID reports one of the values and buffers so far.
struct GridFlags {
  bool any = false;
};

// to_grid() of each lane.
INVAR_SIMD U64x16 grid_lanes(F32x16 x, GridFlags& flags) {
  const Mask16 fits = (x < F32x16(kGridLimit)) & (x > F32x16(-kGridLimit));
  if (!all(fits)) [[unlikely]] {
    flags.any = true;
    x = select(fits, x, F32x16(0.0f));
  }
#ifdef __AVX512F__
  const __m512d unit = _mm512_set1_pd(0x1p40);  // the products are exact
  return {_mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtps_pd(low_half(x)), unit)),
          _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtps_pd(high_half(x)), unit))};
#else
  // x = high + low, high a multiple of 2^-20, both exact; an anchor of 1.5 2^(52 - s) leaves the integer nearest to
  // v 2^s in the low bits of anchor + v. high 2^40 is even, so rounding low alone keeps ties to even.
  const __m256d high_anchor = _mm256_set1_pd(0x1.8p32), low_anchor = _mm256_set1_pd(0x1.8p12);
  const __m128 parts[4] = {_mm256_castps256_ps128(x.lo), _mm256_extractf128_ps(x.lo, 1),
                           _mm256_castps256_ps128(x.hi), _mm256_extractf128_ps(x.hi, 1)};
  U64x16 out;
  for (int i = 0; i < 4; ++i) {
    const __m256d v = _mm256_cvtps_pd(parts[i]);
    const __m256d high = _mm256_add_pd(v, high_anchor);
    const __m256d low = _mm256_sub_pd(v, _mm256_sub_pd(high, high_anchor));
    const __m256i high_units = _mm256_sub_epi64(_mm256_castpd_si256(high), _mm256_castpd_si256(high_anchor));
    const __m256i low_units = _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(low, low_anchor)),
                                               _mm256_castpd_si256(low_anchor));
    out.quarter[i] = _mm256_add_epi64(_mm256_slli_epi64(high_units, 20), low_units);
  }
  return out;
#endif
}

INVAR_SIMD U64x16 load_grid(const int64_t* p) {
  U64x16 out;
#ifdef __AVX512F__
  out.lo = _mm512_loadu_si512(p);
  out.hi = _mm512_loadu_si512(p + 8);
#else
  for (int i = 0; i < 4; ++i)
    out.quarter[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 4 * i));
#endif
  return out;
}
INVAR_SIMD void store_grid(int64_t* p, U64x16 a) { store_u64(reinterpret_cast<uint64_t*>(p), a); }

// grid_merge() of sixteen buffers.
INVAR_SIMD void grid_merge_lanes(int64_t* buffer, U64x16 sum, GridFlags& flags) {
  const U64x16 merged = load_grid(buffer) + sum;
  store_grid(buffer, merged);
#ifdef __AVX512F__
  const __m512i top = _mm512_set1_epi64(kGridBufferLimit - 1),
                bottom = _mm512_set1_epi64(1 - kGridBufferLimit);
  const __mmask8 outside = _mm512_cmpgt_epi64_mask(merged.lo, top) | _mm512_cmpgt_epi64_mask(merged.hi, top) |
                           _mm512_cmplt_epi64_mask(merged.lo, bottom) |
                           _mm512_cmplt_epi64_mask(merged.hi, bottom);
  flags.any |= outside != 0;
#else
  const __m256i top = _mm256_set1_epi64x(kGridBufferLimit - 1),
                bottom = _mm256_set1_epi64x(1 - kGridBufferLimit);
  __m256i outside = _mm256_setzero_si256();
  for (const __m256i q : merged.quarter)
    outside =
        _mm256_or_si256(outside, _mm256_or_si256(_mm256_cmpgt_epi64(q, top), _mm256_cmpgt_epi64(bottom, q)));
  flags.any |= _mm256_movemask_epi8(outside) != 0;
#endif
}

// The same for the first n < 16 buffers; the other lanes of sum are left out.
INVAR_SIMD void grid_merge_lanes(int64_t* buffer, U64x16 sum, int64_t n, GridFlags& flags) {
  int64_t lanes[16];
  store_grid(lanes, sum);
  for (int64_t i = 0; i < n; ++i) grid_merge(buffer[i], lanes[i], flags.any);
}

}  // namespace
}  // namespace invar
