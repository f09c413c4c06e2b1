#include "kernels/embedding_backward.h"

#include "kernels/tiers.h"
#include "numerics/grid_sum.h"

namespace invar::ref {

bool embedding_backward(const EmbeddingBackwardArgs& args, RowRange columns) {
  bool overflow = false;
  for (int64_t r = 0; r < args.rows; ++r)
    for (int64_t c = columns.begin; c < columns.end; ++c)
      grid_merge(args.d_table[args.tokens[r] * args.dim + c],
                 to_grid(args.d_out[r * args.d_out_stride + c], overflow), overflow);
  return overflow;
}

}  // namespace invar::ref
