// The text of embedding_backward for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/grid_lanes.h"
#include "kernels/embedding_backward.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

// Token ids jump about in a table larger than any cache: rows to come are asked for ahead of time.
constexpr int64_t kGradientRowsAhead = 2;

[[gnu::flatten]] bool embedding_backward_columns(const EmbeddingBackwardArgs& args, RowRange columns) {
  GridFlags flags;
  for (int64_t r = 0; r < args.rows; ++r) {
    if (r + kGradientRowsAhead < args.rows) {
      const int64_t* ahead = args.d_table + args.tokens[r + kGradientRowsAhead] * args.dim;
      for (int64_t c = columns.begin; c < columns.end; c += 8)
        _mm_prefetch(reinterpret_cast<const char*>(ahead + c), _MM_HINT_T0);
    }
    const float* d_out = args.d_out + r * args.d_out_stride;
    int64_t* row = args.d_table + args.tokens[r] * args.dim;
    int64_t c = columns.begin;
    for (; c + 16 <= columns.end; c += 16)
      grid_merge_lanes(row + c, grid_lanes(load_f32(d_out + c), flags), flags);
    if (const int64_t n = columns.end - c; n > 0)
      grid_merge_lanes(row + c, grid_lanes(load_f32(d_out + c, n), flags), n, flags);
  }
  return flags.any;
}

}  // namespace
}  // namespace invar
