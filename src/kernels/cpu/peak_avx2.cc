#include <immintrin.h>

#include "kernels/cpu/peak_body.h"
#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_fma_avx2(int64_t iterations) {
  const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  return peak_loop<12>(iterations, 8 * 2, _mm256_set1_ps(1.0f),
                       [=](__m256 acc) { return _mm256_fmadd_ps(acc, a, b); });
}

}  // namespace invar
