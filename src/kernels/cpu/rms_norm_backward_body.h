// The text of rms_norm_backward for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/grid_sum_body.h"
#include "kernels/cpu/reduction_lanes.h"
#include "kernels/cpu/rms_norm_backward.h"

namespace invar {
namespace {

// rstd and mean of one vector.
struct NormSums {
  float rstd;
  float mean;
};

INVAR_SIMD NormSums norm_sums(const RmsNormBackwardArgs& args, const float* d_out, const bf16* h) {
  const int64_t dim = args.dim;
  const auto count = static_cast<float>(dim);
  const float squares = sum_of_squares(dim, [&](int64_t i) { return load_part(h, i, dim); });
  const float rstd = reciprocal_root(squares / count + args.eps);
  const float products = reduce_row(dim, [&](int64_t i, F32x16 s) {
    const F32x16 p = load_part(d_out, i, dim) * load_part(args.weight, i, dim);
    return select(first_lanes(dim - i), fma(p, load_part(h, i, dim), s), s);
  });
  return {rstd, (products * rstd) / count};
}

// Adds the tile to the sum, and clears it.
INVAR_SIMD void merge_tile(NormGainSum& gain, int64_t dim) {
  int64_t c = 0;
  for (; c + 16 <= dim; c += 16) {
    const U64x16 merged = load_i64(gain.sum + c) + load_i64(gain.tile + c);
    store_i64(gain.sum + c, merged);
    gain.overflow |= grid_overflow(merged);
    store_i64(gain.tile + c, U64x16(uint64_t{0}));
  }
  for (; c < dim; ++c) {
    grid_merge(gain.sum[c], gain.tile[c], gain.overflow);
    gain.tile[c] = 0;
  }
}

INVAR_SIMD void add_to_tile(int64_t* tile, F32x16 x, int64_t n, bool& overflow) {
  x = grid_part(x, overflow);
  if (n >= 16) return store_i64(tile, add_to_grid(load_i64(tile), x));
  int64_t lanes[16];
  store_i64(lanes, add_to_grid(U64x16(uint64_t{0}), x));
  for (int64_t i = 0; i < n; ++i) tile[i] += lanes[i];
}

INVAR_SIMD void norm_gradients(const RmsNormBackwardArgs& args, int64_t r, int64_t g, NormGainSum& gain) {
  const int64_t dim = args.dim;
  const float* d_out = args.d_out + r * args.d_out_stride + g * dim;
  const bf16* h = args.h + r * args.h_stride + g * dim;
  const int64_t at = r * args.dx_stride + g * dim;
  const NormSums sums = norm_sums(args, d_out, h);
  const F32x16 rstd = sums.rstd, mean = sums.mean;
  for (int64_t i = 0; i < dim; i += 16) {
    const F32x16 d = load_part(d_out, i, dim);
    const F32x16 n = load_part(h, i, dim) * rstd;
    if (gain.tile != nullptr) add_to_tile(gain.tile + i, d * n, dim - i, gain.overflow);
    const F32x16 dx = rstd * fma(-n, mean, d * load_part(args.weight, i, dim));
    if (args.dx_bf16 != nullptr) {
      store_part(args.dx_bf16 + at, i, dim, dx);
    } else {
      float* out = args.dx_f32 + at;
      store_part(out, i, dim, args.accumulate ? load_part(out, i, dim) + dx : dx);
    }
  }
}

[[gnu::flatten]] void rms_norm_backward_rows(const RmsNormBackwardArgs& args, RowRange rows,
                                             NormGainSum& gain) {
  int in_tile = 0;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t g = 0; g < args.groups; ++g) {
      norm_gradients(args, r, g, gain);
      if (gain.tile != nullptr && ++in_tile == kGridTile) {
        merge_tile(gain, args.dim);
        in_tile = 0;
      }
    }
  }
  if (in_tile > 0) merge_tile(gain, args.dim);
}

}  // namespace
}  // namespace invar
