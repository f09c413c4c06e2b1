#include "kernels/rms_norm_backward.h"

#include <vector>

#include "numerics/grid_sum.h"
#include "numerics/reduction.h"

namespace invar::ref {

void rms_norm_backward(const RmsNormBackwardArgs& args) {
  const int64_t dim = args.dim;
  const auto count = static_cast<float>(dim);
  std::vector<float> p(static_cast<std::size_t>(dim));
  for (int64_t r = 0; r < args.rows; ++r) {
    for (int64_t g = 0; g < args.groups; ++g) {
      const float* d_out = args.d_out + r * args.d_out_stride + g * dim;
      const bf16* h = args.h + r * args.h_stride + g * dim;
      const int64_t at = r * args.dx_stride + g * dim;
      const float rstd = 1.0f / num::sqrt(sum_of_squares(h, dim) / count + args.eps);
      for (int64_t c = 0; c < dim; ++c) p[c] = d_out[c] * to_float(args.weight[c]);
      const float mean = (sum_of_products(p.data(), h, dim) * rstd) / count;
      for (int64_t c = 0; c < dim; ++c) {
        const float n = to_float(h[c]) * rstd;
        if (args.d_weight != nullptr)
          grid_merge(args.d_weight[c], to_grid(d_out[c] * n, *args.overflow), *args.overflow);
        const float dx = rstd * num::fma(-n, mean, p[c]);
        if (args.dx_bf16 != nullptr)
          args.dx_bf16[at + c] = to_bf16(dx);
        else
          args.dx_f32[at + c] = args.accumulate ? args.dx_f32[at + c] + dx : dx;
      }
    }
  }
}

}  // namespace invar::ref
