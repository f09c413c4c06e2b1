// NUM-GRID for linear_weight_grad(), all SIMD tiers; include a simd_*.h and grid_sum_body.h first.
#pragma once

#include "kernels/cpu/linear_weight_grad_kernels.h"

namespace invar {
namespace {

[[gnu::flatten]] bool grid_add(const float* values, int64_t count, int64_t* sums) {
  // Vectors of one iteration are independent; their flags are joined in a vector until the end.
  Mask16 outside = first_lanes(0);
  for (int64_t i = 0; i < count; i += 16) {
    const F32x16 x = load_f32(values + i);
    outside = outside | outside_grid(x);
    store_i64(sums + i, add_to_grid(load_i64(sums + i), x));
  }
  return any(outside);
}

[[gnu::flatten]] bool grid_check(const int64_t* sums, int64_t count) {
  bool overflow = false;
  for (int64_t i = 0; i < count; i += 16) overflow |= grid_overflow(load_i64(sums + i));
  return overflow;
}

[[gnu::flatten]] bool grid_merge_rows(const int64_t* sums, int64_t count, int64_t* buffer) {
  bool overflow = false;
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const U64x16 a = load_i64(sums + i), merged = load_i64(buffer + i) + a;
    overflow |= grid_overflow(a) | grid_overflow(merged);
    store_i64(buffer + i, merged);
  }
  for (; i < count; ++i) {
    int64_t a = 0;
    grid_merge(a, sums[i], overflow);
    grid_merge(buffer[i], a, overflow);
  }
  return overflow;
}

[[gnu::flatten]] bool grid_add_rows(const bf16* values, int64_t stride, int64_t rows, int64_t columns,
                                    int64_t* sums) {
  U64x16 sum = load_i64(sums);
  Mask16 outside = first_lanes(0);
  for (int64_t r = 0; r < rows; ++r) {
    const bf16* row = values + r * stride;
    const F32x16 x = columns >= 16 ? load_bf16(row) : load_bf16(row, columns);
    outside = outside | outside_grid(x);
    sum = add_to_grid(sum, x);
  }
  store_i64(sums, sum);
  return any(outside);
}

[[gnu::flatten]] void widen_tokens(const TokenGroup& group, float* out, int64_t out_stride) {
  for (int64_t t = 0; t < 16; ++t, out += 16) {
    const bf16* row = group.values + t * group.stride;
    float* to = out;
    int64_t c = 0;
    for (; c + 16 <= group.columns; c += 16, to += out_stride)
      store_f32(to, t < group.rows ? load_bf16(row + c) : F32x16(0.0f));
    if (const int64_t rest = group.columns - c; rest > 0)
      store_f32(to, t < group.rows ? load_bf16(row + c, rest) : F32x16(0.0f));
  }
}

constexpr GridKernels kGridKernels = {.add = grid_add,
                                      .check = grid_check,
                                      .merge = grid_merge_rows,
                                      .add_rows = grid_add_rows,
                                      .widen = widen_tokens};

}  // namespace
}  // namespace invar
