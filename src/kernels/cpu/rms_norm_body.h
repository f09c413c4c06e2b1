// The text of rms_norm for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/reduction_lanes.h"
#include "kernels/rms_norm.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

struct NormVector {
  const bf16* x;       // [dim]
  bf16* residual;      // [dim], or null
  const bf16* weight;  // [dim]
  bf16* out;           // [dim]
  int64_t dim;
  float eps;
};

INVAR_SIMD void normalise(const NormVector& v) {
  const int64_t dim = v.dim;
  const bf16* h = v.x;
  float sum;
  if (v.residual == nullptr) {
    sum = sum_of_squares(dim, [&](int64_t i) { return load_part(v.x, i, dim); });
  } else {
    h = v.residual;
    sum = sum_of_squares(dim, [&](int64_t i) {
      const F32x16 rounded = round_bf16(load_part(v.residual, i, dim) + load_part(v.x, i, dim));
      store_part(v.residual, i, dim, rounded);
      return rounded;
    });
  }
  const F32x16 rstd = reciprocal_root(sum / static_cast<float>(dim) + v.eps);
  for (int64_t i = 0; i < dim; i += 16)
    store_part(v.out, i, dim, load_part(h, i, dim) * rstd * load_part(v.weight, i, dim));
}

[[gnu::flatten]] void rms_norm_rows(const RmsNormArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t g = 0; g < args.groups; ++g) {
      bf16* residual = args.residual == nullptr ? nullptr : args.residual + (r * args.groups + g) * args.dim;
      normalise({.x = args.x + r * args.x_stride + g * args.dim,
                 .residual = residual,
                 .weight = args.weight,
                 .out = args.out + r * args.out_stride + g * args.dim,
                 .dim = args.dim,
                 .eps = args.eps});
    }
  }
}

}  // namespace
}  // namespace invar
