// NUM-RED for both SIMD tiers; include a simd_*.h first.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {
namespace {

// NUM-RED over a row of `dim` elements: add(i, s) adds elements i .. i+15 to the lanes s, those beyond dim not at all.
// It is called once for each i that is a multiple of 16.
template <class Add>
INVAR_SIMD float reduce_row(int64_t dim, const Add& add) {
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
        for (int64_t e = begin + 16 * i; e < dim; e += kVirtualLanes) s[i] = add(e, s[i]);
      }
      half[h] = fold_groups_of_8(s);
    }
    group[g] = fold_halves(half[0] + half[1]);
  }
  return ((group[0] + group[4]) + (group[2] + group[6])) + ((group[1] + group[5]) + (group[3] + group[7]));
}

// The sum of squares of load(i) = elements i .. i+15, +0 beyond the row. Each is loaded once.
template <class Load>
INVAR_SIMD float sum_of_squares(int64_t dim, const Load& load) {
  return reduce_row(dim, [&](int64_t i, F32x16 s) {
    const F32x16 x = load(i);
    return fma(x, x, s);
  });
}

INVAR_SIMD float reciprocal_root(float mean_square_eps) {
  const __m128 root = _mm_sqrt_ss(_mm_set_ss(mean_square_eps));
  return 1.0f / _mm_cvtss_f32(root);
}

// Elements i .. i+15 of a row of `dim`, those beyond it +0 or not stored.
INVAR_SIMD F32x16 load_part(const bf16* p, int64_t i, int64_t dim) {
  return dim - i >= 16 ? load_bf16(p + i) : load_bf16(p + i, dim - i);
}
INVAR_SIMD F32x16 load_part(const float* p, int64_t i, int64_t dim) {
  return dim - i >= 16 ? load_f32(p + i) : load_f32(p + i, dim - i);
}
INVAR_SIMD void store_part(bf16* p, int64_t i, int64_t dim, F32x16 a) {
  dim - i >= 16 ? store_bf16(p + i, a) : store_bf16(p + i, a, dim - i);
}
INVAR_SIMD void store_part(float* p, int64_t i, int64_t dim, F32x16 a) {
  dim - i >= 16 ? store_f32(p + i, a) : store_f32(p + i, a, dim - i);
}

}  // namespace
}  // namespace invar
