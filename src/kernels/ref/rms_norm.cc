#include "kernels/rms_norm.h"

#include "kernels/tiers.h"
#include "numerics/reduction.h"

namespace invar::ref {

void rms_norm(const RmsNormArgs& args, RowRange rows) {
  const int64_t dim = args.dim;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t g = 0; g < args.groups; ++g) {
      const bf16* h = args.x + r * args.x_stride + g * dim;
      if (args.residual != nullptr) {
        bf16* residual = args.residual + (r * args.groups + g) * dim;
        for (int64_t c = 0; c < dim; ++c) residual[c] = to_bf16(to_float(residual[c]) + to_float(h[c]));
        h = residual;
      }
      const float mean_square = sum_of_squares(h, dim) / static_cast<float>(dim);
      const float rstd = 1.0f / num::sqrt(mean_square + args.eps);
      bf16* out = args.out + r * args.out_stride + g * dim;
      for (int64_t c = 0; c < dim; ++c) out[c] = to_bf16(to_float(h[c]) * rstd * to_float(args.weight[c]));
    }
  }
}

}  // namespace invar::ref
