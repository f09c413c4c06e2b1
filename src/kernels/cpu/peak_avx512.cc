#include <immintrin.h>

#include "kernels/cpu/peak_body.h"
#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_fma_avx512(int64_t iterations) {
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  return peak_loop<24>(iterations, 16 * 2, _mm512_set1_ps(1.0f),
                       [=](__m512 acc) { return _mm512_fmadd_ps(acc, a, b); });
}

}  // namespace invar
