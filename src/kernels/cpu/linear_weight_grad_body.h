// NUM-GRID for linear_weight_grad(), all SIMD tiers; include a simd_*.h and grid_sum_body.h first.
#pragma once

#include "kernels/cpu/linear_weight_grad_kernels.h"

namespace invar {
namespace {

[[gnu::flatten]] bool grid_fits(const float* values, int64_t count) {
  // One FMA a vector, where a maximum takes two instructions; several sums, so that none of them grows to the limit.
  F32x16 squares[4] = {F32x16(0.0f), F32x16(0.0f), F32x16(0.0f), F32x16(0.0f)};
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const F32x16 x = load_f32(values + i + 16 * j);
      squares[j] = fma(x, x, squares[j]);
    }
  for (; i < count; i += 16) squares[0] = fma(load_f32(values + i), load_f32(values + i), squares[0]);
  const F32x16 limit = GridHalves::kLimit * GridHalves::kLimit;  // NaN is not below it
  return all((squares[0] < limit) & (squares[1] < limit) & (squares[2] < limit) & (squares[3] < limit));
}

template <int kLeaves>
INVAR_SIMD void grid_add_leaves(const float* values, int64_t count, GridHalves* sums) {
  const F32x16 units = 0x1p40f;
  for (int64_t i = 0; i < count; i += 16, ++sums) {
    F32x16 high = load_f32(sums->high);
    I32x16 low = load_i32(sums->low);
#pragma GCC unroll 4
    for (int leaf = 0; leaf < kLeaves; ++leaf) {
      const F32x16 x = load_f32(values + leaf * count + i), sum = fma(x, units, high);
      low = low + to_i32(fms(x, units, sum - high));
      high = sum;
    }
    store_f32(sums->high, high);
    store_i32(sums->low, low);
  }
}

[[gnu::flatten]] void grid_add(const float* values, int64_t leaves, int64_t count, GridHalves* sums) {
  static_assert(GridKernels::kLeavesOfAdd == 4);
  switch (leaves) {
    case 1: return grid_add_leaves<1>(values, count, sums);
    case 2: return grid_add_leaves<2>(values, count, sums);
    case 3: return grid_add_leaves<3>(values, count, sums);
    case 4: return grid_add_leaves<4>(values, count, sums);
    default: return;
  }
}

[[gnu::flatten]] bool grid_carry(GridHalves* sums, int64_t count) {
  constexpr int kBits = GridHalves::kUnitBits;
  const F32x16 anchor = GridHalves::kAnchor, most = GridHalves::kCarried;
  Mask16 inside = first_lanes(16);
  for (int64_t i = 0; i < count; i += 16, ++sums) {
    const I32x16 low = load_i32(sums->low), units = sar<kBits>(low + I32x16(1u << (kBits - 1)));
    const F32x16 high = fma(to_float(units), 0x1p28f, load_f32(sums->high)), sum = high - anchor;
    inside = inside & (sum <= most) & (sum >= -most);
    store_f32(sums->high, high);
    store_i32(sums->low, low - shl<kBits>(units));
  }
  return all(inside);
}

[[gnu::flatten]] void grid_take(GridHalves* sums, int64_t count, int64_t* wide) {
  const F32x16 anchor = GridHalves::kAnchor;
  for (int64_t i = 0; i < count; i += 16, ++sums) {
    const I32x16 high = as_int(load_f32(sums->high)) - as_int(anchor);  // high's last bits count its units
    store_i64(wide + i, load_i64(wide + i) + add_shifted<GridHalves::kUnitBits>(load_i32(sums->low), high));
    store_f32(sums->high, anchor);
    store_i32(sums->low, I32x16(0));
  }
}

[[gnu::flatten]] bool grid_add_wide(const float* values, int64_t count, int64_t* wide) {
  Mask16 outside = first_lanes(0);
  for (int64_t i = 0; i < count; i += 16) {
    const F32x16 x = load_f32(values + i);
    outside = outside | outside_grid(x);
    store_i64(wide + i, add_to_grid(load_i64(wide + i), x));
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

// out[j, i] = values[i, j] for 4 rows and 4 columns.
INVAR_SIMD void grid_transpose_block(const int64_t* values, int64_t stride, int64_t* out, int64_t out_stride) {
  const auto row = [&](int i) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(values + i * stride)); };
  const __m256i row0 = row(0), row1 = row(1), row2 = row(2), row3 = row(3);
  const __m256i even01 = _mm256_unpacklo_epi64(row0, row1), odd01 = _mm256_unpackhi_epi64(row0, row1);
  const __m256i even23 = _mm256_unpacklo_epi64(row2, row3), odd23 = _mm256_unpackhi_epi64(row2, row3);
  const auto store = [&](int j, __m256i column) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + j * out_stride), column);
  };
  store(0, _mm256_permute2x128_si256(even01, even23, 0x20));
  store(1, _mm256_permute2x128_si256(odd01, odd23, 0x20));
  store(2, _mm256_permute2x128_si256(even01, even23, 0x31));
  store(3, _mm256_permute2x128_si256(odd01, odd23, 0x31));
}

[[gnu::flatten]] void grid_transpose(const int64_t* values, int64_t stride, int64_t rows, int64_t* out,
                                     int64_t out_stride) {
  for (int64_t i = 0; i < rows; i += 4)
    for (int64_t j = 0; j < 8; j += 4)
      grid_transpose_block(values + i * stride + j, stride, out + j * out_stride + i, out_stride);
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

constexpr GridKernels kGridKernels = {.fits = grid_fits,
                                      .add = grid_add,
                                      .carry = grid_carry,
                                      .take = grid_take,
                                      .add_wide = grid_add_wide,
                                      .check = grid_check,
                                      .merge = grid_merge_rows,
                                      .transpose = grid_transpose,
                                      .add_rows = grid_add_rows,
                                      .widen = widen_tokens};

}  // namespace
}  // namespace invar
