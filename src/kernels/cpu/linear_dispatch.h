// From the rows and panels of a call to the instance of a kernel template. Everything is static: ISA files include it.
#pragma once

#include "kernels/cpu/linear_kernels.h"

namespace invar {

// Kernel::panels(rows) is the widest block of panels that its registers hold for so many rows;
// Kernel::run<rows, panels>(args) computes one block. A call is cut into nearly equal blocks.
template <class Kernel, int kRows, int kPanels>
static void linear_block(const LinearTileArgs& args) {
  if constexpr (kPanels > 0) {
    if (args.panels == kPanels) return Kernel::template run<kRows, kPanels>(args);
    linear_block<Kernel, kRows, kPanels - 1>(args);
  }
}

template <class Kernel, int kRows>
static void linear_rows(const LinearTileArgs& args) {
  if constexpr (kRows > 0) {
    if (args.rows != kRows) return linear_rows<Kernel, kRows - 1>(args);
    constexpr int kPanels = Kernel::panels(kRows);
    if (args.panels <= kPanels) return linear_block<Kernel, kRows, kPanels>(args);
    const int blocks = (args.panels + kPanels - 1) / kPanels;
    for (int block = 0; block < blocks; ++block) {
      const int begin = args.panels * block / blocks;
      LinearTileArgs part = args;
      part.weights += begin * args.weight_stride;
      part.acc += begin * 16;
      part.panels = args.panels * (block + 1) / blocks - begin;
      linear_block<Kernel, kRows, kPanels>(part);
    }
  }
}

// How far ahead of its line at k a kernel that streams `panels` packed panels prefetches: 24 lines, at the end of the
// panels the first lines of the next as many.
static inline int64_t linear_prefetch_bytes(const LinearTileArgs& args, int64_t k, int panels) {
  constexpr int64_t kLines = 24;
  return kLines * 64 + (k + 2 * kLines < args.k ? 0 : (panels - 1) * args.weight_stride);
}

template <class Kernel>
static void linear_run(const LinearTileArgs& args) {
  linear_rows<Kernel, Kernel::kRowsMax>(args);
}

#ifdef __AVX512F__
static constexpr auto* kLinearStore = linear_store_avx512;
#else
static constexpr auto* kLinearStore = linear_store_avx2;
#endif

// Packs rows 16 k at a time, up to a multiple of `group`; expand(x [16], out) writes `bytes` for the 16 of one row.
template <int kBytes, void (*kExpand)(const bf16*, std::byte*), int kGroup = 16>
static void linear_pack_rows(const LinearPackArgs& args) {
  std::byte* out = args.out;
  const int64_t k_end = (args.k + kGroup - 1) / kGroup * kGroup;
  for (int64_t k = 0; k < k_end; k += 16) {
    for (int64_t r = 0; r < args.rows; ++r, out += kBytes) {
      const bf16* x = args.x + r * args.x_stride + k;
      bf16 tail[16] = {};
      if (args.k - k < 16) {
        if (args.k > k) __builtin_memcpy(tail, x, static_cast<size_t>(args.k - k) * sizeof(bf16));
        x = tail;
      }
      kExpand(x, out);
    }
  }
}

}  // namespace invar
