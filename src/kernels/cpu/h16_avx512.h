// NUM-H16 for 16 outputs at a time, AVX-512. Include from *_avx512.cc and *_avx512bf16.cc only: everything is static.
//
// Use: h16_expand_weights() once for each packed group, h16_expand_row() once for each row and group, then
// h16_step_avx512() in ascending groups. About 105 instructions for 256 multiply-adds.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/h16_group.h"

namespace invar {

// Exponent codes of 32 bf16.
static inline __m512i h16_codes_avx512(__m512i x) {
  const __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi16(0x7fff));
  const __m512i field = _mm512_max_epi16(_mm512_srli_epi16(magnitude, 7), _mm512_set1_epi16(1));
  const __mmask32 zero = _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x7fff)) ^ 0xffffffffu;
  const __mmask32 special = _mm512_cmpgt_epi16_mask(magnitude, _mm512_set1_epi16(0x7f7f));
  const __m512i code = _mm512_mask_mov_epi16(field, zero, _mm512_set1_epi16(kH16Zero));
  return _mm512_mask_mov_epi16(code, special, _mm512_set1_epi16(kH16Special));
}

// lines: [8, 16, 2] bf16, the packed lines of a group (PackedWeight), 64-byte aligned.
static inline void h16_expand_weights_avx512(const bf16* lines, H16Weights* out) {
  for (int i = 0; i < 8; ++i) {
    const __m512i line = _mm512_load_si512(lines + 32 * i);
    _mm512_store_si512(out->value[2 * i], _mm512_slli_epi32(line, 16));
    _mm512_store_si512(out->value[2 * i + 1], _mm512_and_si512(line, _mm512_set1_epi32(0xffff0000)));
    _mm512_store_si512(out->exponent[i], h16_codes_avx512(line));
  }
}

// x: [16] bf16 of one row, any alignment.
static inline void h16_expand_row_avx512(const bf16* x, H16Row* out) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  _mm512_storeu_si512(out->value, _mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out->exponent),
                     _mm512_castsi512_si256(h16_codes_avx512(_mm512_castsi256_si512(a))));
}

// Lanes of c, row, weights whose exponent is out of range, from the scalar code.
[[gnu::noinline, gnu::cold]] static __m512 h16_rare_avx512(__mmask16 lanes, __m512 c, const H16Row& row,
                                                           const H16Weights& weights, __m512 result) {
  alignas(64) float in[16], out[16];
  _mm512_store_ps(in, c);
  _mm512_store_ps(out, result);
  h16_lanes(lanes, in, row, weights, out);
  return _mm512_load_ps(out);
}

// H16(c[n]; a[0..15], w[0..15, n]) for 16 outputs n.
//
// c        accumulators of the 16 outputs of one row
// row      the row's activations of the group
// weights  the weights of the group
static inline __m512 h16_step_avx512(__m512 c, const H16Row& row, const H16Weights& weights) {
  // E of every output: pairs of 16-bit sums of exponent codes, then the accumulator's own, all biased by 254.
  __m512i pairs = _mm512_set1_epi16(2 * kH16Zero);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    int32_t two;
    __builtin_memcpy(&two, row.exponent + 2 * i, sizeof two);
    const __m512i sum = _mm512_add_epi16(_mm512_set1_epi32(two), _mm512_load_si512(weights.exponent[i]));
    pairs = _mm512_max_epi16(pairs, sum);
  }
  const __m512i c_bits = _mm512_castps_si512(c);
  const __m512i c_magnitude = _mm512_and_si512(c_bits, _mm512_set1_epi32(0x7fffffff));
  const __m512i products =
      _mm512_max_epi32(_mm512_srai_epi32(pairs, 16), _mm512_srai_epi32(_mm512_slli_epi32(pairs, 16), 16));
  // A zero or subnormal c gives 127, below kH16Low, where the exact value does not matter.
  const __m512i c_exponent = _mm512_add_epi32(_mm512_srli_epi32(c_magnitude, 23), _mm512_set1_epi32(127));
  __m512i e = _mm512_max_epi32(products, c_exponent);
  const __mmask16 outside = _mm512_cmpgt_epu32_mask(_mm512_sub_epi32(e, _mm512_set1_epi32(kH16Low)),
                                                    _mm512_set1_epi32(kH16High - kH16Low));
  // A lane whose terms are all zero is fine at any scale: its sum is +0.
  const __mmask16 rare =
      _mm512_mask_cmpgt_epi32_mask(outside, _mm512_max_epi32(products, c_magnitude), _mm512_setzero_si512());
  e = _mm512_max_epi32(e, _mm512_set1_epi32(kH16Low));

  // Terms in units of 2^(E-25), truncated toward zero by the conversion; sums in integers.
  const __m512 scale =
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(127 + 25 + 254), e), 23));
  __m512i sum0 = _mm512_setzero_si512(), sum1 = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (int k = 0; k < 16; k += 2) {
    const __m512 p0 = _mm512_mul_ps(_mm512_set1_ps(row.value[k]), _mm512_load_ps(weights.value[k]));
    const __m512 p1 = _mm512_mul_ps(_mm512_set1_ps(row.value[k + 1]), _mm512_load_ps(weights.value[k + 1]));
    sum0 = _mm512_add_epi32(sum0, _mm512_cvttps_epi32(_mm512_mul_ps(p0, scale)));
    sum1 = _mm512_add_epi32(sum1, _mm512_cvttps_epi32(_mm512_mul_ps(p1, scale)));
  }
  const __m512i terms = _mm512_add_epi32(sum0, sum1);
  const __m512i c_term = _mm512_cvttps_epi32(_mm512_mul_ps(c, scale));

  // terms + c_term in 33 bits: the low 32, and the sign, which is that of the wrapped sum unless both terms agree on
  // another one: the majority of the three signs. Then sign and magnitude, the magnitude truncated to fp32.
  const __m512i sum = _mm512_add_epi32(terms, c_term);
  const __m512i majority = _mm512_ternarylogic_epi32(terms, c_term, sum, 0xe8);
  const __m512i negative = _mm512_srai_epi32(majority, 31);
  const __m512i magnitude = _mm512_sub_epi32(_mm512_xor_si512(sum, negative), negative);
  const __m512 unit =
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(254 + 25 - 127)), 23));
  const __m512 absolute =
      _mm512_mul_ps(_mm512_cvt_roundepu32_ps(magnitude, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC), unit);
  __m512 result = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(  // absolute | (majority & sign bit)
      _mm512_castps_si512(absolute), majority, _mm512_set1_epi32(INT32_MIN), 0xf8));
  if (rare != 0) [[unlikely]]
    result = h16_rare_avx512(rare, c, row, weights, result);
  return result;
}

}  // namespace invar
