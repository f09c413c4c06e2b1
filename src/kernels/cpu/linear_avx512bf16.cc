// Tier avx512bf16 of linear(), profile fma32: vdpbf16ps.
#include "kernels/cpu/linear_fma_avx512.h"

namespace invar {
namespace {

// x [16] as it is: a pair is one 32-bit broadcast.
void copy_row(const bf16* x, std::byte* out) { __builtin_memcpy(out, x, 16 * sizeof(bf16)); }

// One vdpbf16ps computes the pair of 16 outputs, flushes included. Weights straight from the packed panels.
struct Dp {
  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    __m512 acc[kRows][kPanels];
    load_acc_avx512(args, acc);
    const std::byte* x = args.x;
    const std::byte* line = args.weights;
    for (int64_t k = 0; k < args.k; k += 16, x += 32 * kRows) {
      const int64_t ahead = linear_prefetch_bytes(args, k, kPanels);
      for (int i = 0; i < 8; ++i, line += 64) {
        __m512i weight[kPanels];
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) {
          weight[p] = _mm512_load_si512(line + p * args.weight_stride);
          _mm_prefetch(line + p * args.weight_stride + ahead, _MM_HINT_T0);
        }
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          int32_t pair;
          __builtin_memcpy(&pair, x + 32 * r + 4 * i, sizeof pair);
          const __m512i a = _mm512_set1_epi32(pair);
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p)
            acc[r][p] = _mm512_dpbf16_ps(acc[r][p], (__m512bh)a, (__m512bh)weight[p]);
        }
      }
    }
    store_acc_avx512(args, acc);
  }
};

struct DpFew : Dp {
  static constexpr int kRowsMax = 16;
  static constexpr int panels(int rows) { return rows <= 2 ? 8 : rows <= 6 ? 4 : rows <= 12 ? 2 : 1; }
};

struct DpMany : Dp {
  static constexpr int kRowsMax = 8;
  static constexpr int panels(int) { return 3; }
};

constexpr LinearTile kDpFew = {
    .rows_max = DpFew::kRowsMax,
    .panels_max = 8,
    .k_chunk = 0,
    .k_group = 16,
    .row_bytes = 2,
    .weight_bytes = 0,
    .pack_rows = linear_pack_rows<32, copy_row>,
    .expand = nullptr,
    .run = linear_run<DpFew>,
};

constexpr LinearTile kDpMany = {
    .rows_max = DpMany::kRowsMax,
    .panels_max = 3,
    .k_chunk = 384,  // 36 KiB of packed weights
    .k_group = 16,
    .row_bytes = 2,
    .weight_bytes = 0,
    .pack_rows = linear_pack_rows<32, copy_row>,
    .expand = nullptr,
    .run = linear_run<DpMany>,
};

}  // namespace

LinearKernels linear_fma32_avx512bf16() {
  return {.mode = LinearMode::kDefault,
          .few = kDpFew,
          .many = kDpMany,
          .tokens = kDpMany,
          .store = linear_store_avx512};
}

}  // namespace invar
