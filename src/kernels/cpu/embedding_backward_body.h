// The text of embedding_backward for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/grid_sum_body.h"
#include "kernels/embedding_backward.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

// Token ids jump about in a table larger than any cache: rows to come are asked for ahead of time.
constexpr int64_t kGradientRowsAhead = 2;

[[gnu::flatten]] bool embedding_backward_columns(const EmbeddingBackwardArgs& args, RowRange columns) {
  bool overflow = false;
  for (int64_t r = 0; r < args.rows; ++r) {
    if (r + kGradientRowsAhead < args.rows) {
      const int64_t* ahead = args.d_table + args.tokens[r + kGradientRowsAhead] * args.dim;
      for (int64_t c = columns.begin; c < columns.end; c += 8)
        _mm_prefetch(reinterpret_cast<const char*>(ahead + c), _MM_HINT_T0);
    }
    const float* d_out = args.d_out + r * args.d_out_stride;
    int64_t* row = args.d_table + args.tokens[r] * args.dim;
    int64_t c = columns.begin;
    for (; c + 16 <= columns.end; c += 16) {
      const U64x16 merged = add_to_grid(load_i64(row + c), grid_part(load_f32(d_out + c), overflow));
      store_i64(row + c, merged);
      overflow |= grid_overflow(merged);
    }
    for (; c < columns.end; ++c) grid_merge(row[c], to_grid(d_out[c], overflow), overflow);
  }
  return overflow;
}

}  // namespace
}  // namespace invar
