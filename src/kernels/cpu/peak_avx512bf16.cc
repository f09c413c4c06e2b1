#include <immintrin.h>

#include "kernels/cpu/peak_body.h"
#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_dp_avx512bf16(int64_t iterations) {
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f00), b = (__m512bh)_mm512_set1_epi16(0x3e00);
  return peak_loop<24>(iterations, 16 * 4, _mm512_set1_ps(1.0f),
                       [=](__m512 acc) { return _mm512_dpbf16_ps(acc, a, b); });
}

}  // namespace invar
