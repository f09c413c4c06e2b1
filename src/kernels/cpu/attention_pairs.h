// What the two forms of NUM-P2 share, FMAs (attention_p2.h) and vdpbf16ps (attention_dp.h): a chain over pairs of k,
// along the dims of keys or the tokens of values. Include a simd_*.h first.
#pragma once

#include "kernels/cpu/attention_body.h"

namespace invar::cpu {
namespace {

// Dot::chain<R, P, kStride>(acc, a, w, ahead, pairs) continues acc over `pairs` pairs. w[i] is where the lines
// of panel i begin, ahead[i] where those to prefetch do; a has kStride elements a row, or for kStride = 0 the
// packing of queries. Element: what queries and weights are packed as, E of them a pair.
template <class Dot, class Element, int64_t E>
struct PairDot {
  using Query = Element;
  static constexpr int64_t kStep = 2;
  static constexpr int kRowsMemoryBound = 4;  // so few rows wait for memory

  // acc += q . k over dim for P panels of 16 tokens.
  template <int R, int P>
  INVAR_SIMD static void keys(F32x16 (&acc)[R][P], const Element* q, const bf16* const* k,
                              const bf16* const* k_ahead, int64_t dim) {
    const bf16 *w[P], *ahead[P];
    for (int i = 0; i < P; ++i) w[i] = k[i], ahead[i] = k_ahead[i];
    Dot::template chain<R, P, 0>(acc, q, w, ahead, dim / 2);
  }

  // acc += weights . v over tokens [begin, end), both even, for P panels of 16 dims.
  template <int R, int P>
  INVAR_SIMD static void values(F32x16 (&acc)[R][P], const float* weights, const Block& block, int64_t panel,
                                int64_t begin, int64_t end) {
    const Element* row = reinterpret_cast<const Element*>(weights);
    while (begin < end) {
      const int64_t group_end = (begin | 15) + 1;
      const int64_t stop = end < group_end ? end : group_end;
      const bf16 *w[P], *ahead[P];
      for (int i = 0; i < P; ++i) {
        const int64_t offset = (panel + i) * block.v_stride + begin % 16 * 16;
        w[i] = block.v[begin / 16] + offset;
        ahead[i] = block.v_ahead[begin / 16] + offset;
      }
      Dot::template chain<R, P, kBlock>(acc, row + begin * E / 2, w, ahead, (stop - begin) / 2);
      begin = stop;
    }
  }

  // Prefetches the lines of pair k.
  template <int R, int P>
  INVAR_SIMD static void prefetch(const bf16* const (&ahead)[P], int64_t k) {
    if constexpr (R <= kRowsMemoryBound)
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) _mm_prefetch(reinterpret_cast<const char*>(ahead[i] + k * 32), _MM_HINT_T0);
  }
};

}  // namespace
}  // namespace invar::cpu
