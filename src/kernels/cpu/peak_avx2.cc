#include <immintrin.h>

#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_fma_avx2(int64_t iterations) {
  constexpr int kChains = 12;  // more than latency times throughput
  __m256 acc[kChains];
#pragma GCC unroll 12
  for (int j = 0; j < kChains; ++j) acc[j] = _mm256_set1_ps(1.0f + static_cast<float>(j));
  const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) acc[j] = _mm256_fmadd_ps(acc[j], a, b);
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) asm volatile("" : "+v"(acc[j]));  // keeps all chains, in registers
  }
  return static_cast<double>(iterations) * kChains * 8 * 2;
}

}  // namespace invar
