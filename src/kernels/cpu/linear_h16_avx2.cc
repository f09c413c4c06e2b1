// Tier avx2 of linear(), profile tc16.
#include "kernels/cpu/h16_avx2.h"
#include "kernels/cpu/linear_dispatch.h"

namespace invar {
namespace {

void expand_row(const bf16* x, std::byte* out) { h16_expand_row_avx2(x, reinterpret_cast<H16Row*>(out)); }

void expand_panel(const bf16* panel, int64_t k, std::byte* out) {
  H16Weights* groups = reinterpret_cast<H16Weights*>(out);
  for (int64_t g = 0; g < k / 16; ++g) h16_expand_weights_avx2(panel + g * 256, groups + g);
}

// Rows and halves of the panel side by side, because a step waits for the one before it.
struct H16Avx2 {
  static constexpr int kRowsMax = 2;
  static constexpr int panels(int) { return 1; }

  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    static_assert(kPanels == 1);
    __m256 acc[kRows][2];
    for (int r = 0; r < kRows; ++r)
      for (int half = 0; half < 2; ++half)
        acc[r][half] =
            args.first ? _mm256_setzero_ps() : _mm256_load_ps(args.acc + r * args.acc_stride + 8 * half);
    const H16Row* row = reinterpret_cast<const H16Row*>(args.x);
    const H16Weights* weights = reinterpret_cast<const H16Weights*>(args.weights);
    for (int64_t g = 0; g < args.k / 16; ++g, row += kRows) {
      for (int r = 0; r < kRows; ++r)
        for (int half = 0; half < 2; ++half)
          acc[r][half] = h16_step_avx2(acc[r][half], row[r], weights[g], half);
    }
    for (int r = 0; r < kRows; ++r)
      for (int half = 0; half < 2; ++half)
        _mm256_store_ps(args.acc + r * args.acc_stride + 8 * half, acc[r][half]);
  }
};

constexpr LinearTile kTile = {
    .rows_max = H16Avx2::kRowsMax,
    .panels_max = 1,
    .k_chunk = 128,  // 12 KiB of expanded weights
    .row_bytes = 6,
    .weight_bytes = 96,
    .pack_rows = linear_pack_rows<sizeof(H16Row), expand_row>,
    .expand = expand_panel,
    .run = linear_run<H16Avx2>,
};

}  // namespace

LinearKernels linear_tc16_avx2() { return {.flush = false, .few = kTile, .many = kTile}; }

}  // namespace invar
