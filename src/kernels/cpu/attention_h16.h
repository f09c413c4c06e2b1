// NUM-H16 for attention; include a simd_*.h and the matching h16_*.h first.
#pragma once

#include "kernels/cpu/attention_body.h"
#include "kernels/cpu/h16_body.h"

namespace invar::cpu {
namespace {

struct H16Dot {
  using Query = H16Row;  // [R, D / 16]
  static constexpr int64_t kQueryFloats = sizeof(H16Row) / sizeof(float);
  static constexpr int64_t kStep = 16;
  static constexpr int kRowsMax = 12;
  static constexpr int kRows[] = {1, 2, 3, 4, 6, 8, 12};
  static constexpr int panels(int) { return 1; }
  static_assert(kQueryFloats <= AttentionScratch::kQueryFloats);

  struct Scope {};  // no flags

  static void pack_query(const bf16* q, int64_t dim, int64_t r, int64_t, H16Row* out) {
    for (int64_t k = 0; k < dim; k += 16) h16_expand_row(q + k, out + (r * dim + k) / 16);
  }

  template <int R, int P>
  static void keys(F32x16 (&acc)[R][P], const H16Row* q, const bf16* const* k, const bf16* const*,
                   int64_t dim) {
    H16Weights expanded;
    for (int64_t g = 0; g < dim / 16; ++g) {
      h16_expand_weights(k[0] + g * 256, &expanded);
#pragma GCC unroll 1
      for (int r = 0; r < R; ++r) acc[r][0] = h16_step(acc[r][0], q[r * dim / 16 + g], expanded);
    }
  }

  // [begin, end) are multiples of 16.
  template <int R, int P>
  static void values(F32x16 (&acc)[R][P], const float* weights, const Block& block, int64_t panel,
                     int64_t begin, int64_t end) {
    H16Weights expanded;
    H16Row row;
    for (int64_t g = begin / 16; g < end / 16; ++g) {
      h16_expand_weights(block.v[g] + panel * block.v_stride, &expanded);
#pragma GCC unroll 1
      for (int r = 0; r < R; ++r) {
        h16_expand_row(reinterpret_cast<const bf16*>(weights + r * kBlock) + g * 16, &row);
        acc[r][0] = h16_step(acc[r][0], row, expanded);
      }
    }
  }

  // The last, partly masked group: tokens from `end` on count as zeros, whatever the page holds there.
  [[gnu::noinline]] static void last_values(const Block& block, const float* weights, int64_t begin,
                                            int64_t end, float* o) {
    H16Weights expanded;
    H16Row row;
    h16_expand_row(reinterpret_cast<const bf16*>(weights) + begin, &row);
    for (int64_t d = 0; d < block.dim; d += 16) {
      const int32_t* lines = reinterpret_cast<const int32_t*>(block.v[begin / 16] + d / 16 * block.v_stride);
      alignas(64) int32_t visible[8 * 16] = {};
      for (int64_t t = 0; t < end - begin; t += 2) {
        const I32x16 keep = end - begin - t > 1 ? 0xffffffffu : 0x0000ffffu;
        store_i32(visible + t * 8, load_i32(lines + t * 8) & keep);
      }
      h16_expand_weights(reinterpret_cast<const bf16*>(visible), &expanded);
      store_f32(o + d, h16_step(load_f32(o + d), row, expanded));
    }
  }

  INVAR_SIMD static void store_weights(float* s, int64_t g, F32x16 w) {
    store_bf16(reinterpret_cast<bf16*>(s) + g * 16, w);
  }
};

}  // namespace
}  // namespace invar::cpu
