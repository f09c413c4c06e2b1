// Profile tc16 of linear() for all SIMD tiers; include a simd_*.h and the matching h16_*.h first.
#pragma once

#include "kernels/cpu/h16_body.h"
#include "kernels/cpu/linear_dispatch.h"

namespace invar {
namespace {

void expand_row(const bf16* x, std::byte* out) { h16_expand_row(x, reinterpret_cast<H16Row*>(out)); }

void expand_panel(const bf16* panel, int64_t k, std::byte* out) {
  H16Weights* groups = reinterpret_cast<H16Weights*>(out);
  for (int64_t g = 0; g < k / 16; ++g) h16_expand_weights(panel + g * 256, groups + g);
}

// Rows side by side, because a step waits for the one before it; with AVX2 a row is two steps already.
struct H16Tile {
#ifdef __AVX512F__
  static constexpr int kRowsMax = 4;
#else
  static constexpr int kRowsMax = 2;
#endif
  static constexpr int panels(int) { return 1; }

  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    static_assert(kPanels == 1);
    F32x16 acc[kRows];
    for (int r = 0; r < kRows; ++r)
      acc[r] = args.first ? F32x16(0.0f) : load_f32(args.acc + r * args.acc_stride);
    const H16Row* row = reinterpret_cast<const H16Row*>(args.x);
    const H16Weights* weights = reinterpret_cast<const H16Weights*>(args.weights);
    for (int64_t g = 0; g < args.k / 16; ++g, row += kRows) {
      for (int r = 0; r < kRows; ++r) acc[r] = h16_step(acc[r], row[r], weights[g]);
    }
    for (int r = 0; r < kRows; ++r) store_f32(args.acc + r * args.acc_stride, acc[r]);
  }
};

constexpr LinearTile kH16Tile = {
    .rows_max = H16Tile::kRowsMax,
    .panels_max = 1,
    .k_chunk = 128,  // 12 KiB of expanded weights
    .k_group = 16,
    .row_bytes = 6,
    .weight_bytes = 96,
    .pack_rows = linear_pack_rows<sizeof(H16Row), expand_row>,
    .expand = expand_panel,
    .run = linear_run<H16Tile>,
};

constexpr LinearKernels kH16Kernels = {.mode = LinearMode::kDefault,
                                       .few = kH16Tile,
                                       .many = kH16Tile,
                                       .tokens = kH16Tile,
                                       .store = kLinearStore};

}  // namespace
}  // namespace invar
