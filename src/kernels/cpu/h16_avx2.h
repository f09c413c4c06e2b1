// NUM-H16 for 8 outputs at a time, AVX2. Include from *_avx2.cc only: everything is static.
//
// Use as h16_avx512.h; a group of 16 outputs takes two calls, half 0 and 1.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/h16_group.h"

namespace invar {

// Exponent codes of 16 bf16.
static inline __m256i h16_codes_avx2(__m256i x) {
  const __m256i magnitude = _mm256_and_si256(x, _mm256_set1_epi16(0x7fff));
  const __m256i field = _mm256_max_epi16(_mm256_srli_epi16(magnitude, 7), _mm256_set1_epi16(1));
  const __m256i zero = _mm256_cmpeq_epi16(magnitude, _mm256_setzero_si256());
  const __m256i special = _mm256_cmpgt_epi16(magnitude, _mm256_set1_epi16(0x7f7f));
  const __m256i code = _mm256_blendv_epi8(field, _mm256_set1_epi16(kH16Zero), zero);
  return _mm256_blendv_epi8(code, _mm256_set1_epi16(kH16Special), special);
}

// lines: [8, 16, 2] bf16, the packed lines of a group (PackedWeight), 32-byte aligned.
static inline void h16_expand_weights_avx2(const bf16* lines, H16Weights* out) {
  for (int i = 0; i < 16; ++i) {  // halves of lines
    const __m256i line = _mm256_load_si256(reinterpret_cast<const __m256i*>(lines) + i);
    const int k = i / 2 * 2, half = i % 2 * 8;
    _mm256_store_ps(out->value[k] + half, _mm256_castsi256_ps(_mm256_slli_epi32(line, 16)));
    _mm256_store_ps(out->value[k + 1] + half,
                    _mm256_castsi256_ps(_mm256_and_si256(line, _mm256_set1_epi32(0xffff0000))));
    _mm256_store_si256(reinterpret_cast<__m256i*>(out->exponent[i / 2]) + i % 2, h16_codes_avx2(line));
  }
}

// x: [16] bf16 of one row, any alignment.
static inline void h16_expand_row_avx2(const bf16* x, H16Row* out) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(a));
  const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1));
  _mm256_store_ps(out->value, _mm256_castsi256_ps(_mm256_slli_epi32(low, 16)));
  _mm256_store_ps(out->value + 8, _mm256_castsi256_ps(_mm256_slli_epi32(high, 16)));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out->exponent), h16_codes_avx2(a));
}

// Lanes of half `half` whose exponent is out of range, from the scalar code.
[[gnu::noinline, gnu::cold]] static __m256 h16_rare_avx2(uint32_t lanes, __m256 c, const H16Row& row,
                                                         const H16Weights& weights, int half, __m256 result) {
  alignas(64) float in[16] = {}, out[16] = {};
  _mm256_store_ps(in + 8 * half, c);
  _mm256_store_ps(out + 8 * half, result);
  h16_lanes(lanes << (8 * half), in, row, weights, out);
  return _mm256_load_ps(out + 8 * half);
}

// (a + b) unit for 4 outputs in binary64: a + b is exact, its magnitude is cut to 24 bits, the product is a normal fp32
// number or overflows in the conversion.
static inline __m128 h16_finish_avx2(__m128i a, __m128i b, __m128 unit) {
  const __m256d sum = _mm256_add_pd(_mm256_cvtepi32_pd(a), _mm256_cvtepi32_pd(b));
  const __m256d kept =
      _mm256_and_pd(sum, _mm256_castsi256_pd(_mm256_set1_epi64x(-(int64_t{1} << (53 - 24)))));
  return _mm256_cvtpd_ps(_mm256_mul_pd(kept, _mm256_cvtps_pd(unit)));
}

// H16(c[n]; a[0..15], w[0..15, n]) for the 8 outputs n of half `half` (0 or 1) of the panel.
//
// c        accumulators of these 8 outputs of one row
// row      the row's activations of the group
// weights  the weights of the group
static inline __m256 h16_step_avx2(__m256 c, const H16Row& row, const H16Weights& weights, int half) {
  // E of every output: pairs of 16-bit sums of exponent codes, then the accumulator's own, all biased by 254.
  __m256i pairs = _mm256_set1_epi16(2 * kH16Zero);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    int32_t two;
    __builtin_memcpy(&two, row.exponent + 2 * i, sizeof two);
    const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights.exponent[i]) + half);
    pairs = _mm256_max_epi16(pairs, _mm256_add_epi16(_mm256_set1_epi32(two), codes));
  }
  const __m256i c_magnitude = _mm256_and_si256(_mm256_castps_si256(c), _mm256_set1_epi32(0x7fffffff));
  const __m256i products =
      _mm256_max_epi32(_mm256_srai_epi32(pairs, 16), _mm256_srai_epi32(_mm256_slli_epi32(pairs, 16), 16));
  // A zero or subnormal c gives 127, below kH16Low, where the exact value does not matter.
  const __m256i c_exponent = _mm256_add_epi32(_mm256_srli_epi32(c_magnitude, 23), _mm256_set1_epi32(127));
  __m256i e = _mm256_max_epi32(products, c_exponent);
  const __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(kH16Low), e),
                                          _mm256_cmpgt_epi32(e, _mm256_set1_epi32(kH16High)));
  // A lane whose terms are all zero is fine at any scale: its sum is +0.
  const __m256i nonzero = _mm256_cmpgt_epi32(_mm256_max_epi32(products, c_magnitude), _mm256_setzero_si256());
  const int rare = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(outside, nonzero)));
  // The upper bound keeps the conversions of rare lanes, whose results are thrown away, in range.
  e = _mm256_min_epi32(_mm256_max_epi32(e, _mm256_set1_epi32(kH16Low)), _mm256_set1_epi32(kH16High));

  // Terms in units of 2^(E-25), truncated toward zero by the conversion; sums in integers.
  const __m256 scale =
      _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(127 + 25 + 254), e), 23));
  __m256i terms = _mm256_setzero_si256();
#pragma GCC unroll 16
  for (int k = 0; k < 16; ++k) {
    const __m256 p =
        _mm256_mul_ps(_mm256_broadcast_ss(row.value + k), _mm256_load_ps(weights.value[k] + 8 * half));
    terms = _mm256_add_epi32(terms, _mm256_cvttps_epi32(_mm256_mul_ps(p, scale)));
  }
  const __m256i c_term = _mm256_cvttps_epi32(_mm256_mul_ps(c, scale));

  const __m256 unit =
      _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(254 + 25 - 127)), 23));
  const __m128 low = h16_finish_avx2(_mm256_castsi256_si128(terms), _mm256_castsi256_si128(c_term),
                                     _mm256_castps256_ps128(unit));
  const __m128 high = h16_finish_avx2(_mm256_extracti128_si256(terms, 1), _mm256_extracti128_si256(c_term, 1),
                                      _mm256_extractf128_ps(unit, 1));
  __m256 result = _mm256_set_m128(high, low);
  if (rare != 0) [[unlikely]]
    result = h16_rare_avx2(rare, c, row, weights, half, result);
  return result;
}

}  // namespace invar
