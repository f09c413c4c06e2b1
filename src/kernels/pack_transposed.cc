#include "kernels/pack_transposed.h"

#include <immintrin.h>

#include "base/check.h"

namespace invar {
namespace {

// Eight lines of a panel, [8, 16, 2]: 16 rows and 16 columns of a matrix.
constexpr int64_t kBlock = 256;

// [a0 a1 b0 b1] -> [a0 b0 a1 b1] in every 64 bits: of rows 2i and 2i + 1, a pair of columns becomes two pairs of rows.
__m256i swap_middle(__m256i lanes) {
  const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15,  //
                                         0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
  return _mm256_shuffle_epi8(lanes, order);
}

// Four 64-bit lanes of four registers: out[i] lane j = in[j] lane i.
[[gnu::always_inline]] inline void transpose_four(const __m256i (&in)[4], __m256i (&out)[4]) {
  const __m256i low01 = _mm256_unpacklo_epi64(in[0], in[1]), high01 = _mm256_unpackhi_epi64(in[0], in[1]);
  const __m256i low23 = _mm256_unpacklo_epi64(in[2], in[3]), high23 = _mm256_unpackhi_epi64(in[2], in[3]);
  out[0] = _mm256_permute2x128_si256(low01, low23, 0x20);
  out[1] = _mm256_permute2x128_si256(high01, high23, 0x20);
  out[2] = _mm256_permute2x128_si256(low01, low23, 0x31);
  out[3] = _mm256_permute2x128_si256(high01, high23, 0x31);
}

// The 64-bit element (i, j) of a block, two rows by two columns, goes to (j, i). Both 64-byte aligned.
void transpose_block(const bf16* from, bf16* to) {
  const __m256i* in = reinterpret_cast<const __m256i*>(from);
  __m256i* out = reinterpret_cast<__m256i*>(to);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      __m256i rows[4], columns[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) rows[r] = swap_middle(_mm256_load_si256(in + 2 * (4 * i + r) + j));
      transpose_four(rows, columns);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) _mm256_store_si256(out + 2 * (4 * j + r) + i, columns[r]);
    }
}

}  // namespace

void pack_transposed(const PackedWeight& weight, PackedWeight& out, ThreadPool& pool) {
  INVAR_CHECK(out.n == weight.k && out.k == weight.n, "out is [{}, {}], weight [{}, {}]", out.n, out.k,
              weight.n, weight.k);
  INVAR_CHECK(out.data.size() == weight.data.size() && out.data.data() != weight.data.data(),
              "out holds {} elements of {}", out.data.size(), weight.data.size());
  const int64_t in_panels = weight.panels(), out_panels = out.panels();
  // Items are panels of out, each written as a stream. The blocks of one lie in all panels of the weight, so their
  // misses are asked for a few blocks ahead.
  constexpr int64_t kAhead = 4;
  pool.parallel_for(out_panels, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      bf16* to = out.data.data() + p * kBlock * in_panels;
      for (int64_t q = 0; q < in_panels; ++q) {
        const bf16* from = weight.panel(q) + p * kBlock;
        if (q + kAhead < in_panels)
          for (int64_t i = 0; i < kBlock; i += 32)
            _mm_prefetch(weight.panel(q + kAhead) + p * kBlock + i, _MM_HINT_T0);
        transpose_block(from, to + q * kBlock);
      }
    }
  });
}

}  // namespace invar
