// The text of adamw for both SIMD tiers; include a simd_*.h and grid_sum_body.h first.
#pragma once

#include "kernels/adamw.h"
#include "kernels/tiers.h"

namespace invar {
namespace {

[[gnu::flatten]] void adamw_elements(const AdamwArgs& args, RowRange elements) {
  const AdamWStep step = args.step;
  int64_t i = elements.begin;
  for (; i + 16 <= elements.end; i += 16) {
    F32x16 m = load_f32(args.m + i), v = load_f32(args.v + i), master = load_f32(args.master + i);
    num::adamw(step, load_from_grid(args.gradient + i), m, v, master);
    store_f32(args.m + i, m);
    store_f32(args.v + i, v);
    store_f32(args.master + i, master);
    store_bf16(args.weight + i, master);
  }
  for (; i < elements.end; ++i) {
    num::adamw(step, from_grid(args.gradient[i]), args.m[i], args.v[i], args.master[i]);
    args.weight[i] = to_bf16(args.master[i]);
  }
}

}  // namespace
}  // namespace invar
