// The text of rope_backward for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/rope_backward.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

INVAR_SIMD void store_gradient(bf16* p, F32x16 a) { store_bf16(p, a); }
INVAR_SIMD void store_gradient(float* p, F32x16 a) { store_f32(p, a); }
INVAR_SIMD void store_gradient(bf16* p, F32x16 a, int64_t n) { store_bf16(p, a, n); }
INVAR_SIMD void store_gradient(float* p, F32x16 a, int64_t n) { store_f32(p, a, n); }

// One row: d_out [heads, D] to dx [heads, D], by the table row of its position.
template <class Out>
INVAR_SIMD void rotate_back(const RopeBackwardArgs& args, const float* cosines, const float* d_out, Out* dx) {
  const int64_t half = args.head_dim / 2;
  const float* sines = cosines + half;
  const int64_t width = args.heads * args.head_dim;
  int64_t i = 0;
  for (; i + 16 <= half; i += 16) {
    const F32x16 c = load_f32(cosines + i), s = load_f32(sines + i);
    for (int64_t at = i; at < width; at += args.head_dim) {
      const F32x16 a = load_f32(d_out + at), b = load_f32(d_out + at + half);
      store_gradient(dx + at, fma(a, c, b * s));
      store_gradient(dx + at + half, fms(b, c, a * s));
    }
  }
  if (const int64_t n = half - i; n > 0) {
    const F32x16 c = load_f32(cosines + i, n), s = load_f32(sines + i, n);
    for (int64_t at = i; at < width; at += args.head_dim) {
      const F32x16 a = load_f32(d_out + at, n), b = load_f32(d_out + at + half, n);
      store_gradient(dx + at, fma(a, c, b * s), n);
      store_gradient(dx + at + half, fms(b, c, a * s), n);
    }
  }
}

[[gnu::flatten]] void rope_backward_rows(const RopeBackwardArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* cosines = args.cos_sin + args.positions[r] * args.head_dim;
    const float* d_out = args.d_out + r * args.d_out_stride;
    if (args.dx_f32 != nullptr)
      rotate_back(args, cosines, d_out, args.dx_f32 + r * args.dx_stride);
    else
      rotate_back(args, cosines, d_out, args.dx_bf16 + r * args.dx_stride);
  }
}

}  // namespace
}  // namespace invar
