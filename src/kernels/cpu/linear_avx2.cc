// Tier avx2 of linear(), profile fma32: NUM-P2 from two FMAs on 8 outputs at a time.
//
// These functions run with subnormals flushed: linear_driver.cc sets the mode around their calls.
#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/linear_dispatch.h"
#include "kernels/cpu/linear_expand_body.h"

namespace invar {
namespace {

__m256i load_half(const std::byte* line, int half) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(line) + half);
}
__m256 even_of(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
__m256 odd_of(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(0xffff0000)));
}

// Accumulators: two halves of 8 outputs for each panel.
template <int kRows, int kPanels>
struct Acc {
  explicit Acc(const LinearTileArgs& args) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int h = 0; h < 2 * kPanels; ++h)
        value[r][h] =
            args.first ? _mm256_setzero_ps() : _mm256_load_ps(args.acc + r * args.acc_stride + 8 * h);
  }
  void store(const LinearTileArgs& args) const {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int h = 0; h < 2 * kPanels; ++h)
        _mm256_store_ps(args.acc + r * args.acc_stride + 8 * h, value[r][h]);
  }
  __m256 value[kRows][2 * kPanels];
};

// Weights straight from the packed panels, converted in registers.
struct Few {
  static constexpr int kRowsMax = 6;
  static constexpr int panels(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    Acc<kRows, kPanels> acc(args);
    const float* x = reinterpret_cast<const float*>(args.x);
    const std::byte* line = args.weights;
    for (int64_t k = 0; k < args.k; k += 16, x += 16 * kRows) {
      const int64_t ahead = linear_prefetch_bytes(args, k, kPanels);
      for (int i = 0; i < 16; i += 2, line += 64) {
#pragma GCC unroll 8
        for (int h = 0; h < 2 * kPanels; ++h) {
          if (h % 2 == 0) _mm_prefetch(line + h / 2 * args.weight_stride + ahead, _MM_HINT_T0);
          const __m256i pairs = load_half(line + h / 2 * args.weight_stride, h % 2);
          const __m256 odd = odd_of(pairs), even = even_of(pairs);
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r)
            acc.value[r][h] = _mm256_fmadd_ps(_mm256_broadcast_ss(x + 16 * r + i + 1), odd, acc.value[r][h]);
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r)
            acc.value[r][h] = _mm256_fmadd_ps(_mm256_broadcast_ss(x + 16 * r + i), even, acc.value[r][h]);
        }
      }
    }
    acc.store(args);
  }
};

// Weights expanded to fp32 in the L1 cache, once for all rows: 12 accumulators, 2 weights, 1 activation in registers.
struct Many {
  static constexpr int kRowsMax = 6;
  static constexpr int panels(int) { return 1; }

  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    static_assert(kPanels == 1);
    Acc<kRows, 1> acc(args);
    const float* x = reinterpret_cast<const float*>(args.x);
    const float* w = reinterpret_cast<const float*>(args.weights);
    for (int64_t k = 0; k < args.k; k += 16, x += 16 * kRows) {
      for (int i = 0; i < 16; i += 2, w += 32) {
        _mm_prefetch(x + 16 * kRows * 8 + i * kRows, _MM_HINT_T0);  // the next tile's follow on this one's
#pragma GCC unroll 2
        for (int odd = 1; odd >= 0; --odd) {
          const __m256 low = _mm256_load_ps(w + 16 * odd), high = _mm256_load_ps(w + 16 * odd + 8);
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r) {
            const __m256 a = _mm256_broadcast_ss(x + 16 * r + i + odd);
            acc.value[r][0] = _mm256_fmadd_ps(a, low, acc.value[r][0]);
            acc.value[r][1] = _mm256_fmadd_ps(a, high, acc.value[r][1]);
          }
        }
      }
    }
    acc.store(args);
  }
};

constexpr LinearTile kFew = {
    .rows_max = Few::kRowsMax,
    .panels_max = 4,
    .k_chunk = 0,
    .k_group = 16,
    .row_bytes = 4,
    .weight_bytes = 0,
    .pack_rows = linear_pack_rows<64, expand_row_f32>,
    .expand = nullptr,
    .run = linear_run<Few>,
};

constexpr LinearTile kMany = {
    .rows_max = Many::kRowsMax,
    .panels_max = 1,
    .k_chunk = 256,  // 16 KiB of expanded weights
    .k_group = 16,
    .row_bytes = 4,
    .weight_bytes = 64,
    .pack_rows = linear_pack_rows<64, expand_row_f32>,
    .expand = expand_panel_f32,
    .run = linear_run<Many>,
};

}  // namespace

LinearKernels linear_fma32_avx2() {
  return {
      .mode = LinearMode::kFlush, .few = kFew, .many = kMany, .tokens = kMany, .store = linear_store_avx2};
}

}  // namespace invar
