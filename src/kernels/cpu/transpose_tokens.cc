#include "kernels/cpu/transpose_tokens.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace invar {
namespace {

// Eight values of a row, zeros from `count` on.
__m128i load_eight(const bf16* values, int64_t count) {
  if (count >= 8) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
  bf16 lanes[8] = {};
  if (count > 0) std::memcpy(lanes, values, static_cast<size_t>(count) * sizeof(bf16));
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes));
}

// Tokens t and t + 8, eight channels of each.
__m256i load_two_rows(const TokenGroup& group, int64_t t, int64_t column) {
  const bf16* values = group.values + t * group.stride + column;
  const int64_t columns = group.columns - column;
  const __m128i low = t < group.rows ? load_eight(values, columns) : _mm_setzero_si128();
  const __m128i high =
      t + 8 < group.rows ? load_eight(values + 8 * group.stride, columns) : _mm_setzero_si128();
  return _mm256_set_m128i(high, low);
}

// In each half, the transpose of 8 x 8: column[c] lane t = row[t] lane c.
[[gnu::always_inline]] inline void transpose_eight(const __m256i (&row)[8], __m256i (&column)[8]) {
  __m256i pair[8], quad[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    pair[2 * i] = _mm256_unpacklo_epi16(row[2 * i], row[2 * i + 1]);
    pair[2 * i + 1] = _mm256_unpackhi_epi16(row[2 * i], row[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int from = i / 2 * 4 + i % 2;
    quad[2 * i] = _mm256_unpacklo_epi32(pair[from], pair[from + 2]);
    quad[2 * i + 1] = _mm256_unpackhi_epi32(pair[from], pair[from + 2]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    column[2 * i] = _mm256_unpacklo_epi64(quad[i], quad[4 + i]);
    column[2 * i + 1] = _mm256_unpackhi_epi64(quad[i], quad[4 + i]);
  }
}

// Sixteen values of a row, zeros from `count` on.
__m256i load_sixteen(const bf16* values, int64_t count) {
  if (count >= 16) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
  return _mm256_set_m128i(load_eight(values + 8, count - 8), load_eight(values, count));
}

}  // namespace

void transpose_tokens(const TokenGroup& group, bf16* out, int64_t out_stride) {
  __m256i row[8], column[8];
  int64_t c = 0;
  if (group.rows == 16) {
    for (; c + 8 <= group.columns; c += 8) {
      const bf16* values = group.values + c;
#pragma GCC unroll 8
      for (int t = 0; t < 8; ++t)
        row[t] = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(values + (t + 8) * group.stride),
                                     reinterpret_cast<const __m128i*>(values + t * group.stride));
      transpose_eight(row, column);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (c + i) * out_stride), column[i]);
    }
  }
  for (; c < group.columns; c += 8) {
    for (int t = 0; t < 8; ++t) row[t] = load_two_rows(group, t, c);
    transpose_eight(row, column);
    for (int64_t i = 0; i < std::min<int64_t>(8, group.columns - c); ++i)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (c + i) * out_stride), column[i]);
  }
}

void interleave_tokens(const TokenGroup& group, bf16* out) {
  __m256i* line = reinterpret_cast<__m256i*>(out);
  for (int64_t t = 0; t < 16; t += 2, line += 2) {
    const bf16* values = group.values + t * group.stride;
    const __m256i even = t < group.rows ? load_sixteen(values, group.columns) : _mm256_setzero_si256();
    const __m256i odd =
        t + 1 < group.rows ? load_sixteen(values + group.stride, group.columns) : _mm256_setzero_si256();
    const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
    _mm256_store_si256(line, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_store_si256(line + 1, _mm256_permute2x128_si256(low, high, 0x31));
  }
}

}  // namespace invar
