#include "kernels/cpu/dpbf16_avx512bf16.h"

#include <immintrin.h>

namespace invar {

void dpbf16_lanes(const float* acc, const bf16* a, const bf16* w, float* out) {
  const __m512i pairs_a = _mm512_loadu_si512(a);
  const __m512i pairs_w = _mm512_loadu_si512(w);
  _mm512_storeu_ps(out, _mm512_dpbf16_ps(_mm512_loadu_ps(acc), (__m512bh)pairs_a, (__m512bh)pairs_w));
}

}  // namespace invar
