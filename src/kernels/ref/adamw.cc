#include "kernels/adamw.h"

#include "kernels/tiers.h"
#include "numerics/grid_sum.h"

namespace invar::ref {

void adamw(const AdamwArgs& args, RowRange elements) {
  for (int64_t i = elements.begin; i < elements.end; ++i) {
    num::adamw(args.step, from_grid(args.gradient[i]), args.m[i], args.v[i], args.master[i]);
    args.weight[i] = to_bf16(args.master[i]);
  }
}

}  // namespace invar::ref
