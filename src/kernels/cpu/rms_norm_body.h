// The text of rms_norm for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/rms_norm.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

// NUM-RED over load(i) = elements i .. i+15 of a vector of `dim`, +0 beyond it. Each is loaded
// once.
template <class Load>
INVAR_SIMD float sum_of_squares(int64_t dim, const Load& load) {
  constexpr int64_t kVirtualLanes = 2048;
  constexpr int64_t kGroupLanes = 256;  // 32 consecutive t, 8 lanes j each
  float group[8] = {};
  for (int64_t g = 0; g < 8 && g * kGroupLanes < dim; ++g) {
    F32x16 half[2] = {0.0f, 0.0f};  // the fold over j of t = 0..15 and 16..31 of the group
    for (int h = 0; h < 2; ++h) {
      const int64_t begin = g * kGroupLanes + h * kGroupLanes / 2;
      if (begin >= dim) break;
      F32x16 s[8];
      for (int i = 0; i < 8; ++i) {
        s[i] = 0.0f;
        for (int64_t e = begin + 16 * i; e < dim; e += kVirtualLanes) {
          const F32x16 x = load(e);
          s[i] = fma(x, x, s[i]);
        }
      }
      half[h] = fold_groups_of_8(s);
    }
    group[g] = fold_halves(half[0] + half[1]);
  }
  return ((group[0] + group[4]) + (group[2] + group[6])) + ((group[1] + group[5]) + (group[3] + group[7]));
}

INVAR_SIMD float reciprocal_root(float mean_square_eps) {
  const __m128 root = _mm_sqrt_ss(_mm_set_ss(mean_square_eps));
  return 1.0f / _mm_cvtss_f32(root);
}

struct NormVector {
  const bf16* x;       // [dim]
  bf16* residual;      // [dim], or null
  const bf16* weight;  // [dim]
  bf16* out;           // [dim]
  int64_t dim;
  float eps;
};

INVAR_SIMD F32x16 load_part(const bf16* p, int64_t i, int64_t dim) {
  return dim - i >= 16 ? load_bf16(p + i) : load_bf16(p + i, dim - i);
}
INVAR_SIMD void store_part(bf16* p, int64_t i, int64_t dim, F32x16 a) {
  dim - i >= 16 ? store_bf16(p + i, a) : store_bf16(p + i, a, dim - i);
}

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
