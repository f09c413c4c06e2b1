#include "kernels/cpu/kv_write.h"

#include <immintrin.h>

#include <cstring>

namespace invar::cpu {
namespace {

// Below this many elements a fork and join costs more than the copy.
constexpr int64_t kElementsWorthThreads = 16384;

// k: [D] of one token; lane: where its first pair goes, in a panel [D / 2, 16, 2].
void write_key(const bf16* k, bf16* lane, int64_t dim) {
  for (int64_t d = 0; d < dim; d += 2) std::memcpy(lane + d * 16, k + d, 2 * sizeof(bf16));
}

// v: [D] of one token; half: its half of the first pair, in panels `panel` elements apart of [.., 16, 2].
void write_value(const bf16* v, bf16* half, int64_t dim, int64_t panel) {
  for (int64_t d = 0; d < dim; d += 16)
    for (int64_t i = 0; i < 16; ++i) half[d / 16 * panel + i * 2] = v[d + i];
}

// Two tokens that make a pair: whole lines.
void write_value_pair(const bf16* v0, const bf16* v1, bf16* line, int64_t dim, int64_t panel) {
  for (int64_t d = 0; d < dim; d += 16) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v0 + d));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(v1 + d));
    const __m256i low = _mm256_unpacklo_epi16(a, b), high = _mm256_unpackhi_epi16(a, b);
    __m256i* out = reinterpret_cast<__m256i*>(line + d / 16 * panel);
    _mm256_storeu_si256(out, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(low, high, 0x31));
  }
}

// Rows [begin, end) of a chunk, one kv head.
void write_rows(const KvWriteArgs& args, const SequenceChunk& chunk, int64_t g, int64_t begin, int64_t end) {
  const auto [kv_heads, dim, page_size] = args.layout;
  for (int64_t i = begin; i < end;) {
    const int64_t position = chunk.position_begin + i;
    const int64_t t = position % page_size;
    const int64_t page = (chunk.pages[position / page_size] * kv_heads + g) * page_size * dim;
    bf16* keys = args.k_pages + page + t / 16 * 16 * dim + t % 16 * 2;
    bf16* values = args.v_pages + page + t / 2 * 32;
    const bf16* k = args.k + (chunk.row_begin + i) * args.k_stride + g * dim;
    const bf16* v = args.v + (chunk.row_begin + i) * args.v_stride + g * dim;
    write_key(k, keys, dim);
    if (t % 2 == 0 && i + 1 < end) {
      write_key(k + args.k_stride, keys + 2, dim);
      write_value_pair(v, v + args.v_stride, values, dim, page_size * 16);
      i += 2;
    } else {
      write_value(v, values + t % 2, dim, page_size * 16);
      i += 1;
    }
  }
}

}  // namespace

void kv_write(Queue& queue, const KvWriteArgs& args) {
  const int64_t kv_heads = args.layout.kv_heads;
  int64_t rows = 0;
  for (const SequenceChunk& chunk : args.chunks) rows += chunk.rows;
  // Rows [begin, end) counted over all chunks.
  const auto write = [&](int64_t begin, int64_t end, int) {
    int64_t chunk_begin = 0;
    for (const SequenceChunk& chunk : args.chunks) {
      const int64_t from = std::max(begin - chunk_begin, int64_t{0});
      const int64_t to = std::min(end - chunk_begin, chunk.rows);
      for (int64_t g = 0; from < to && g < kv_heads; ++g) write_rows(args, chunk, g, from, to);
      chunk_begin += chunk.rows;
    }
  };
  if (rows * kv_heads * args.layout.head_dim < kElementsWorthThreads) return write(0, rows, 0);
  queue.pool().parallel_for(rows, write);
}

}  // namespace invar::cpu
