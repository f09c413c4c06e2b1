// NUM-P2 from two FMAs on 16 outputs at a time, AVX-512. Included by the tiers avx512 and avx512bf16; all static.
//
// These functions run with subnormals flushed: linear_driver.cc sets the mode around their calls.
#pragma once

#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/linear_dispatch.h"
#include "kernels/cpu/linear_expand_body.h"

namespace invar {

// acc = fma(a, w, acc) in place. GCC 12 left to itself overwrites `a` in some of them and copies it back, and
// the copies take the FMAs' ports.
static inline void fma_into_avx512(__m512& acc, __m512 a, __m512 w) {
  __asm__("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
}

template <int kRows, int kPanels>
static inline void load_acc_avx512(const LinearTileArgs& args, __m512 (&acc)[kRows][kPanels]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p)
      acc[r][p] = args.first ? _mm512_setzero_ps() : _mm512_load_ps(args.acc + r * args.acc_stride + 16 * p);
}

template <int kRows, int kPanels>
static inline void store_acc_avx512(const LinearTileArgs& args, const __m512 (&acc)[kRows][kPanels]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) _mm512_store_ps(args.acc + r * args.acc_stride + 16 * p, acc[r][p]);
}

// Weights straight from the packed panels, converted in registers: for few rows, where reading them is the cost.
struct FmaFewAvx512 {
  static constexpr int kRowsMax = 16;
  static constexpr int panels(int rows) {
    return rows <= 2 ? 8 : rows <= 5 ? 4 : rows <= 8 ? 3 : rows <= 12 ? 2 : 1;
  }

  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    __m512 acc[kRows][kPanels];
    load_acc_avx512(args, acc);
    const float* x = reinterpret_cast<const float*>(args.x);
    const std::byte* line = args.weights;
    for (int64_t k = 0; k < args.k; k += 16, x += 16 * kRows) {
      const int64_t ahead = linear_prefetch_bytes(args, k, kPanels);
      for (int i = 0; i < 16; i += 2, line += 64) {
        __m512i pair[kPanels];
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) {
          pair[p] = _mm512_load_si512(line + p * args.weight_stride);
          _mm_prefetch(line + p * args.weight_stride + ahead, _MM_HINT_T0);
        }
#pragma GCC unroll 2
        for (int odd = 1; odd >= 0; --odd) {
          __m512 weight[kPanels];
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p)
            weight[p] =
                _mm512_castsi512_ps(odd == 1 ? _mm512_and_si512(pair[p], _mm512_set1_epi32(0xffff0000))
                                             : _mm512_slli_epi32(pair[p], 16));
#pragma GCC unroll 16
          for (int r = 0; r < kRows; ++r) {
            const __m512 a = _mm512_set1_ps(x[16 * r + i + odd]);
#pragma GCC unroll 8
            for (int p = 0; p < kPanels; ++p) fma_into_avx512(acc[r][p], a, weight[p]);
          }
        }
      }
    }
    store_acc_avx512(args, acc);
  }
};

// Weights expanded to fp32 in the L1 cache, once for all rows: 24 accumulators, 3 weights, 1 activation in registers.
struct FmaManyAvx512 {
  static constexpr int kRowsMax = 8;
  static constexpr int panels(int) { return 3; }

  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    __m512 acc[kRows][kPanels];
    load_acc_avx512(args, acc);
    // The next tile's accumulators and, a tile ahead, its activations: both follow on this one's, see linear_driver.cc.
    if (!args.first) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
        for (int p = 0; p < kPanels; ++p)
          _mm_prefetch(args.acc + (kRows + r) * args.acc_stride + 16 * p, _MM_HINT_T0);
    }
    const float* x = reinterpret_cast<const float*>(args.x);
    const float* w = reinterpret_cast<const float*>(args.weights);
    const int64_t stride = args.weight_stride / static_cast<int64_t>(sizeof(float));
    for (int64_t k = 0; k < args.k; k += 16, x += 16 * kRows) {
      for (int i = 0; i < 16; i += 2, w += 32) {
        _mm_prefetch(x + 16 * kRows * 8 + i * kRows, _MM_HINT_T0);
#pragma GCC unroll 2
        for (int odd = 1; odd >= 0; --odd) {
          __m512 weight[kPanels];
#pragma GCC unroll 3
          for (int p = 0; p < kPanels; ++p) weight[p] = _mm512_load_ps(w + p * stride + 16 * odd);
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r) {
            const __m512 a = _mm512_set1_ps(x[16 * r + i + odd]);
#pragma GCC unroll 3
            for (int p = 0; p < kPanels; ++p) fma_into_avx512(acc[r][p], a, weight[p]);
          }
        }
      }
    }
    store_acc_avx512(args, acc);
  }
};

static constexpr LinearTile kFmaFewAvx512 = {
    .rows_max = FmaFewAvx512::kRowsMax,
    .panels_max = 8,
    .k_chunk = 0,
    .k_group = 16,
    .row_bytes = 4,
    .weight_bytes = 0,
    .pack_rows = linear_pack_rows<64, expand_row_f32>,
    .expand = nullptr,
    .run = linear_run<FmaFewAvx512>,
};

static constexpr LinearTile kFmaManyAvx512 = {
    .rows_max = FmaManyAvx512::kRowsMax,
    .panels_max = 3,
    .k_chunk = 192,  // 36 KiB of expanded weights
    .k_group = 16,
    .row_bytes = 4,
    .weight_bytes = 64,
    .pack_rows = linear_pack_rows<64, expand_row_f32>,
    .expand = expand_panel_f32,
    .run = linear_run<FmaManyAvx512>,
};

}  // namespace invar
