#include <immintrin.h>

#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_dp_avx512bf16(int64_t iterations) {
  constexpr int kChains = 24;  // more than latency times throughput
  __m512 acc[kChains];
#pragma GCC unroll 24
  for (int j = 0; j < kChains; ++j) acc[j] = _mm512_set1_ps(1.0f + static_cast<float>(j));
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f00), b = (__m512bh)_mm512_set1_epi16(0x3e00);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) acc[j] = _mm512_dpbf16_ps(acc[j], a, b);
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) asm volatile("" : "+v"(acc[j]));  // keeps all chains, in registers
  }
  return static_cast<double>(iterations) * kChains * 16 * 4;
}

}  // namespace invar
