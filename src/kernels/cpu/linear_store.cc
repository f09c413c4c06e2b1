#include <immintrin.h>

#include "kernels/cpu/linear_driver.h"

namespace invar {
namespace {

// NUM-BF16 of 8 values.
__m128i to_bf16(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
  const __m256i upper = _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), _mm256_set1_epi32(0x7fff), nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

// y[n] (+ bias[n]) to row[n] for n in [0, outputs).
void store_row(const float* y, const float* bias, bf16* row, int64_t outputs) {
  int64_t n = 0;
  for (; n + 8 <= outputs; n += 8) {
    __m256 value = _mm256_loadu_ps(y + n);
    if (bias != nullptr) value = _mm256_add_ps(value, _mm256_loadu_ps(bias + n));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(row + n), to_bf16(value));
  }
  for (; n < outputs; ++n) row[n] = invar::to_bf16(bias != nullptr ? y[n] + bias[n] : y[n]);
}

void store_row(const float* y, const float* bias, float* row, int64_t outputs) {
  int64_t n = 0;
  for (; n + 8 <= outputs; n += 8) {
    __m256 value = _mm256_loadu_ps(y + n);
    if (bias != nullptr) value = _mm256_add_ps(value, _mm256_loadu_ps(bias + n));
    _mm256_storeu_ps(row + n, value);
  }
  for (; n < outputs; ++n) row[n] = bias != nullptr ? y[n] + bias[n] : y[n];
}

}  // namespace

void linear_store(const LinearArgs& args, const LinearBlock& block) {
  const float* bias = args.bias != nullptr ? args.bias + block.n_begin : nullptr;
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* y = block.acc + r * block.acc_stride;
    const int64_t out = (block.row_begin + r) * args.out_stride + block.n_begin;
    if (args.out_bf16 != nullptr)
      store_row(y, bias, args.out_bf16 + out, block.outputs);
    else
      store_row(y, bias, args.out_f32 + out, block.outputs);
  }
}

}  // namespace invar
