// The text of rope for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/rope.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

[[gnu::flatten]] void rope_rows(const RopeArgs& args, RowRange rows) {
  const int64_t half = args.head_dim / 2;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* cosines = args.cos_sin + args.positions[r] * args.head_dim;
    const float* sines = cosines + half;
    bf16* row = args.x + r * args.x_stride;
    int64_t i = 0;
    for (; i + 16 <= half; i += 16) {
      const F32x16 c = load_f32(cosines + i), s = load_f32(sines + i);
      for (bf16* x = row + i; x < row + args.heads * args.head_dim; x += args.head_dim) {
        const F32x16 a = load_bf16(x), b = load_bf16(x + half);
        store_bf16(x, fms(a, c, b * s));
        store_bf16(x + half, fma(b, c, a * s));
      }
    }
    if (const int64_t n = half - i; n > 0) {
      const F32x16 c = load_f32(cosines + i, n), s = load_f32(sines + i, n);
      for (bf16* x = row + i; x < row + args.heads * args.head_dim; x += args.head_dim) {
        const F32x16 a = load_bf16(x, n), b = load_bf16(x + half, n);
        store_bf16(x, fms(a, c, b * s), n);
        store_bf16(x + half, fma(b, c, a * s), n);
      }
    }
  }
}

}  // namespace
}  // namespace invar
