// The tile instructions. GCC's intrinsics do not say that they read memory, so that stores before them may be moved
// behind them; these do. Included by files of the tier amx; all static.
#pragma once

#include <cstdint>

namespace invar {

template <int kTile>
static inline void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

// 16 rows of 64 bytes, `stride` bytes apart.
template <int kTile>
static inline void tile_load(const void* rows, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
}

// The same for what is not read again soon: it takes no place in the L1 cache from the rest.
template <int kTile>
static inline void tile_load_once(const void* rows, int64_t stride) {
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
static inline void tile_store(void* rows, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
}

// acc[r, n] = NUM-A32(acc[r, n]; a[r, 0..31], b[., n, .]). acc: [16, 16] fp32; a: [16, 32] bf16; b: [16, 16, 2] bf16,
// pairs of k first, as a panel of PackedWeight.
template <int kAcc, int kA, int kB>
static inline void tile_dot() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kAcc), "i"(kA), "i"(kB));
}

}  // namespace invar
