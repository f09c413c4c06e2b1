// Sixteen fp32 or int32 lanes in one zmm register. The same names as simd_avx2.h, so that a kernel
// body is one text. They include the operations that the templates of numerics/functions.h ask for.
//
// Everything is in an anonymous namespace: a function that was compiled with AVX-512 must not be
// what the linker keeps for a baseline file, and a template instantiated over these types is
// internal as well. Include it in *_avx512.cc only.
#pragma once

// GCC 12 takes the deliberate _mm512_undefined_*() inside its own intrinsics for a mistake of ours
// (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

#include "numerics/bf16.h"

#define INVAR_SIMD [[gnu::always_inline]] inline

namespace invar {
namespace {

struct Mask16 {
  __mmask16 m;

  static constexpr int kLanes = 16;
};
INVAR_SIMD Mask16 operator&(Mask16 a, Mask16 b) { return {_kand_mask16(a.m, b.m)}; }
INVAR_SIMD Mask16 operator|(Mask16 a, Mask16 b) { return {_kor_mask16(a.m, b.m)}; }
INVAR_SIMD Mask16 operator!(Mask16 a) { return {_knot_mask16(a.m)}; }
INVAR_SIMD uint32_t lane_bits(Mask16 a) { return a.m; }  // bit i is lane i
INVAR_SIMD bool any(Mask16 a) { return a.m != 0; }
INVAR_SIMD bool all(Mask16 a) { return a.m == 0xffff; }
// Lanes 0..n-1; n >= 16 is all of them, n <= 0 none.
INVAR_SIMD Mask16 first_lanes(int64_t n) {
  return {static_cast<__mmask16>(n >= 16 ? 0xffff : _bzhi_u32(0xffff, n < 0 ? 0 : static_cast<uint32_t>(n)))};
}

struct I32x16 {
  static constexpr int kLanes = 16;
  __m512i v;

  I32x16() = default;
  INVAR_SIMD I32x16(uint32_t x) : v(_mm512_set1_epi32(static_cast<int32_t>(x))) {}
  INVAR_SIMD explicit I32x16(__m512i x) : v(x) {}
};
INVAR_SIMD I32x16 operator+(I32x16 a, I32x16 b) { return I32x16(_mm512_add_epi32(a.v, b.v)); }
INVAR_SIMD I32x16 operator-(I32x16 a, I32x16 b) { return I32x16(_mm512_sub_epi32(a.v, b.v)); }
INVAR_SIMD I32x16 operator&(I32x16 a, I32x16 b) { return I32x16(_mm512_and_si512(a.v, b.v)); }
INVAR_SIMD I32x16 operator|(I32x16 a, I32x16 b) { return I32x16(_mm512_or_si512(a.v, b.v)); }
INVAR_SIMD I32x16 operator^(I32x16 a, I32x16 b) { return I32x16(_mm512_xor_si512(a.v, b.v)); }
INVAR_SIMD Mask16 operator==(I32x16 a, I32x16 b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
INVAR_SIMD Mask16 operator>(I32x16 a, I32x16 b) { return {_mm512_cmpgt_epi32_mask(a.v, b.v)}; }
INVAR_SIMD Mask16 operator<(I32x16 a, I32x16 b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
// Shifts left, right with zeros, right with the sign.
template <int kBits>
INVAR_SIMD I32x16 shl(I32x16 a) {
  return I32x16(_mm512_slli_epi32(a.v, kBits));
}
template <int kBits>
INVAR_SIMD I32x16 shr(I32x16 a) {
  return I32x16(_mm512_srli_epi32(a.v, kBits));
}
template <int kBits>
INVAR_SIMD I32x16 sar(I32x16 a) {
  return I32x16(_mm512_srai_epi32(a.v, kBits));
}
INVAR_SIMD I32x16 select(Mask16 m, I32x16 yes, I32x16 no) {
  return I32x16(_mm512_mask_blend_epi32(m.m, no.v, yes.v));
}
INVAR_SIMD I32x16 iota() {
  return I32x16(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
INVAR_SIMD I32x16 load_i32(const int32_t* p) { return I32x16(_mm512_loadu_si512(p)); }
INVAR_SIMD void store_i32(int32_t* p, I32x16 a) { _mm512_storeu_si512(p, a.v); }

// The 64-bit product of unsigned lanes, by halves.
struct WideProduct {
  I32x16 high;
  I32x16 low;
};
INVAR_SIMD WideProduct multiply_wide(I32x16 a, I32x16 b) {
  const __m512i even = _mm512_mul_epu32(a.v, b.v);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  return {I32x16(_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd)),
          I32x16(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)))};
}

// b[i] part p lane j = a[j] part p lane i, a part being 128 bits: 4 x 4 transposes.
INVAR_SIMD void transpose_parts(const I32x16 (&a)[4], I32x16 (&b)[4]) {
  const __m512i low01 = _mm512_unpacklo_epi32(a[0].v, a[1].v), high01 = _mm512_unpackhi_epi32(a[0].v, a[1].v);
  const __m512i low23 = _mm512_unpacklo_epi32(a[2].v, a[3].v), high23 = _mm512_unpackhi_epi32(a[2].v, a[3].v);
  b[0].v = _mm512_unpacklo_epi64(low01, low23);
  b[1].v = _mm512_unpackhi_epi64(low01, low23);
  b[2].v = _mm512_unpacklo_epi64(high01, high23);
  b[3].v = _mm512_unpackhi_epi64(high01, high23);
}

struct F32x16 {
  static constexpr int kLanes = 16;
  __m512 v;

  F32x16() = default;
  INVAR_SIMD F32x16(float x) : v(_mm512_set1_ps(x)) {}
  INVAR_SIMD explicit F32x16(__m512 x) : v(x) {}
};
INVAR_SIMD F32x16 operator+(F32x16 a, F32x16 b) { return F32x16(_mm512_add_ps(a.v, b.v)); }
INVAR_SIMD F32x16 operator-(F32x16 a, F32x16 b) { return F32x16(_mm512_sub_ps(a.v, b.v)); }
INVAR_SIMD F32x16 operator*(F32x16 a, F32x16 b) { return F32x16(_mm512_mul_ps(a.v, b.v)); }
INVAR_SIMD F32x16 operator/(F32x16 a, F32x16 b) { return F32x16(_mm512_div_ps(a.v, b.v)); }
INVAR_SIMD F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return F32x16(_mm512_fmadd_ps(a.v, b.v, c.v)); }
INVAR_SIMD F32x16 fms(F32x16 a, F32x16 b, F32x16 c) { return F32x16(_mm512_fmsub_ps(a.v, b.v, c.v)); }
INVAR_SIMD F32x16 sqrt(F32x16 a) { return F32x16(_mm512_sqrt_ps(a.v)); }
// max is a > b ? a : b, min a < b ? a : b: b where one is NaN or both are zeros.
INVAR_SIMD F32x16 max(F32x16 a, F32x16 b) { return F32x16(_mm512_max_ps(a.v, b.v)); }
INVAR_SIMD F32x16 min(F32x16 a, F32x16 b) { return F32x16(_mm512_min_ps(a.v, b.v)); }
// Comparisons are false where a lane is NaN.
INVAR_SIMD Mask16 operator==(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
INVAR_SIMD Mask16 operator<(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
INVAR_SIMD Mask16 operator<=(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
INVAR_SIMD Mask16 operator>(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
INVAR_SIMD Mask16 operator>=(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
INVAR_SIMD Mask16 less(F32x16 a, F32x16 b) { return a < b; }
INVAR_SIMD Mask16 equal(F32x16 a, F32x16 b) { return a == b; }
INVAR_SIMD Mask16 is_nan(F32x16 a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
INVAR_SIMD F32x16 select(Mask16 m, F32x16 yes, F32x16 no) {
  return F32x16(_mm512_mask_blend_ps(m.m, no.v, yes.v));
}

INVAR_SIMD I32x16 as_int(F32x16 a) { return I32x16(_mm512_castps_si512(a.v)); }
INVAR_SIMD F32x16 as_float(I32x16 a) { return F32x16(_mm512_castsi512_ps(a.v)); }
INVAR_SIMD F32x16 operator-(F32x16 a) { return as_float(as_int(a) ^ I32x16(0x80000000u)); }
INVAR_SIMD F32x16 to_float(I32x16 a) { return F32x16(_mm512_cvtepi32_ps(a.v)); }  // nearest even
INVAR_SIMD I32x16 to_i32(F32x16 a) { return I32x16(_mm512_cvtps_epi32(a.v)); }    // nearest even, |a| < 2^31
INVAR_SIMD I32x16 truncate_i32(F32x16 a) { return I32x16(_mm512_cvttps_epi32(a.v)); }
INVAR_SIMD F32x16 round_even(F32x16 a) {
  return F32x16(_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// Loads and stores need no alignment. With n, only lanes 0..n-1 touch memory; the others read as
// `fill`.
INVAR_SIMD F32x16 load_f32(const float* p) { return F32x16(_mm512_loadu_ps(p)); }
INVAR_SIMD F32x16 load_f32(const float* p, int64_t n, F32x16 fill = 0.0f) {
  return F32x16(_mm512_mask_loadu_ps(fill.v, first_lanes(n).m, p));
}
INVAR_SIMD void store_f32(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
INVAR_SIMD void store_f32(float* p, F32x16 a, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n).m, a.v); }

INVAR_SIMD F32x16 widen_bf16(__m256i bits) {
  return F32x16(_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)));
}
INVAR_SIMD F32x16 load_bf16(const bf16* p) {
  return widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
INVAR_SIMD F32x16 load_bf16(const bf16* p, int64_t n) {
  return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(n).m, p));
}
// NUM-BF16. (vcvtneps2bf16 is of no use here: it flushes subnormals.)
INVAR_SIMD I32x16 bf16_bits(F32x16 a) {
  const I32x16 bits = as_int(a);
  const I32x16 rounded = shr<16>(bits + I32x16(0x7fff) + (shr<16>(bits) & I32x16(1)));
  return select(is_nan(a), I32x16(0x7fff), rounded);
}
INVAR_SIMD __m256i narrow_bf16(F32x16 a) { return _mm512_cvtepi32_epi16(bf16_bits(a).v); }
INVAR_SIMD F32x16 round_bf16(F32x16 a) { return as_float(shl<16>(bf16_bits(a))); }
INVAR_SIMD void store_bf16(bf16* p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_bf16(a));
}
INVAR_SIMD void store_bf16(bf16* p, F32x16 a, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n).m, narrow_bf16(a));
}

// Writes the chosen lanes side by side at p, in lane order; p has room for 16. Returns how many.
INVAR_SIMD int64_t compress_store(int32_t* p, Mask16 m, I32x16 a) {
  _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(m.m, a.v));
  return __builtin_popcount(m.m);
}

INVAR_SIMD __m256 low_half(F32x16 a) { return _mm512_castps512_ps256(a.v); }
INVAR_SIMD __m256 high_half(F32x16 a) { return _mm512_extractf32x8_ps(a.v, 1); }

// s[i] holds lanes (t, j) of NUM-RED for t = 2i and 2i + 1; lane t of the result is the fold over j
// of lane t:
// ((s0+s4)+(s2+s6)) + ((s1+s5)+(s3+s7)).
INVAR_SIMD F32x16 fold_groups_of_8(const F32x16 (&s)[8]) {
  __m512 quad[4];  // [2k, 2k+1] -> stride 4: four 128-bit parts, one a t
  for (int k = 0; k < 4; ++k) {
    const __m512 a = s[2 * k].v, b = s[2 * k + 1].v;
    quad[k] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, _MM_SHUFFLE(2, 0, 2, 0)),
                            _mm512_shuffle_f32x4(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
  }
  __m512 pair[2];  // stride 2: in part q, {t = 8k + q: two sums, t = 8k + 4 + q: two sums}
  for (int k = 0; k < 2; ++k)
    pair[k] = _mm512_add_ps(_mm512_shuffle_ps(quad[2 * k], quad[2 * k + 1], _MM_SHUFFLE(1, 0, 1, 0)),
                            _mm512_shuffle_ps(quad[2 * k], quad[2 * k + 1], _MM_SHUFFLE(3, 2, 3, 2)));
  // stride 1: part q holds t = q, 4 + q, 8 + q, 12 + q.
  const __m512 sums = _mm512_add_ps(_mm512_shuffle_ps(pair[0], pair[1], _MM_SHUFFLE(2, 0, 2, 0)),
                                    _mm512_shuffle_ps(pair[0], pair[1], _MM_SHUFFLE(3, 1, 3, 1)));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return F32x16(_mm512_permutexvar_ps(order, sums));
}

// a[0..7] + a[8..15], and so on: strides 8, 4, 2, 1.
INVAR_SIMD float fold_halves(F32x16 a) {
  const __m256 v8 = _mm256_add_ps(low_half(a), high_half(a));
  const __m128 v4 = _mm_add_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
  const __m128 v2 = _mm_add_ps(v4, _mm_movehl_ps(v4, v4));
  return _mm_cvtss_f32(_mm_add_ss(v2, _mm_movehdup_ps(v2)));
}

INVAR_SIMD float max_of_lanes(F32x16 a) {
  const __m256 v8 = _mm256_max_ps(low_half(a), high_half(a));
  const __m128 v4 = _mm_max_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
  const __m128 v2 = _mm_max_ps(v4, _mm_movehl_ps(v4, v4));
  return _mm_cvtss_f32(_mm_max_ss(v2, _mm_movehdup_ps(v2)));
}

// Sixteen uint64 sums.
struct U64x16 {
  __m512i lo, hi;

  U64x16() = default;
  INVAR_SIMD U64x16(uint64_t x) : lo(_mm512_set1_epi64(static_cast<int64_t>(x))), hi(lo) {}
  INVAR_SIMD U64x16(__m512i low, __m512i high) : lo(low), hi(high) {}
};
INVAR_SIMD U64x16 operator+(U64x16 a, U64x16 b) {
  return {_mm512_add_epi64(a.lo, b.lo), _mm512_add_epi64(a.hi, b.hi)};
}
INVAR_SIMD U64x16 operator-(U64x16 a, U64x16 b) {
  return {_mm512_sub_epi64(a.lo, b.lo), _mm512_sub_epi64(a.hi, b.hi)};
}
INVAR_SIMD void store_u64(uint64_t* p, U64x16 a) {
  _mm512_storeu_si512(p, a.lo);
  _mm512_storeu_si512(p + 8, a.hi);
}
INVAR_SIMD uint64_t sum_of_lanes(U64x16 a) {
  // Not _mm512_reduce_add_epi64: sums wrap, and its last addition is one of signed integers.
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, _mm512_add_epi64(a.lo, a.hi));
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}
// The bits of double(a) + anchor, one binary64 rounding to nearest even. With anchor = 2^(52-s) and
// 0 <= a <= anchor / 2 that is bits(anchor) + a * 2^s rounded to an integer.
INVAR_SIMD U64x16 anchored_bits(F32x16 a, double anchor) {
  const __m512d c = _mm512_set1_pd(anchor);
  return {_mm512_castpd_si512(_mm512_add_pd(_mm512_cvtps_pd(low_half(a)), c)),
          _mm512_castpd_si512(_mm512_add_pd(_mm512_cvtps_pd(high_half(a)), c))};
}

}  // namespace
}  // namespace invar
