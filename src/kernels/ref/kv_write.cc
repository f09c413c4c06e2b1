#include "kernels/ref/attention.h"

namespace invar::ref {

void kv_write(const KvWriteArgs& args) {
  const auto [kv_heads, dim, page_size] = args.layout;
  for (const SequenceChunk& chunk : args.chunks)
    for (int64_t i = 0; i < chunk.rows; ++i)
      for (int64_t g = 0; g < kv_heads; ++g) {
        const int64_t row = chunk.row_begin + i;
        const int64_t position = chunk.position_begin + i;
        const int64_t t = position % page_size;
        const int64_t page = (chunk.pages[position / page_size] * kv_heads + g) * page_size * dim;
        for (int64_t d = 0; d < dim; ++d) {
          args.k_pages[page + ((t / 16 * (dim / 2) + d / 2) * 16 + t % 16) * 2 + d % 2] =
              args.k[row * args.k_stride + g * dim + d];
          args.v_pages[page + ((d / 16 * (page_size / 2) + t / 2) * 16 + d % 16) * 2 + t % 2] =
              args.v[row * args.v_stride + g * dim + d];
        }
      }
}

}  // namespace invar::ref
