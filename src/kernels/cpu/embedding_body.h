// The text of embedding for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/embedding.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

// Token ids jump about in a table larger than any cache, so the rows to come are asked for ahead of
// time.
constexpr int64_t kRowsAhead = 2;

void embedding_rows(const EmbeddingArgs& args, RowRange rows) {
  const int64_t dim = args.dim;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    if (r + kRowsAhead < rows.end) {
      const char* ahead = reinterpret_cast<const char*>(args.table + args.tokens[r + kRowsAhead] * dim);
      for (int64_t byte = 0; byte < 2 * dim; byte += 64) _mm_prefetch(ahead + byte, _MM_HINT_T0);
    }
    const bf16* from = args.table + args.tokens[r] * dim;
    bf16* to = args.out + r * dim;
    int64_t c = 0;
    for (; c + 32 <= dim; c += 32)  // any 16 floats of 32-bit moves copy 32 bf16
      store_f32(reinterpret_cast<float*>(to + c), load_f32(reinterpret_cast<const float*>(from + c)));
    for (; c < dim; ++c) to[c] = from[c];
  }
}

}  // namespace
}  // namespace invar
