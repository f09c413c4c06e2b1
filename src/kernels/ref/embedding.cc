#include "kernels/embedding.h"
#include "kernels/tiers.h"

namespace invar::ref {

void embedding(const EmbeddingArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r)
    for (int64_t c = 0; c < args.dim; ++c)
      args.out[r * args.dim + c] = args.table[args.tokens[r] * args.dim + c];
}

}  // namespace invar::ref
