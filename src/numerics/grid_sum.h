// NUM-GRID (docs/numerics.md): sums over tokens as 64-bit integers on the grid of 2^-40, which no order, no cut into
// leaves, calls or ranks, and no collective can change.
//
// A value enters with to_grid(); up to kGridTile values may be added in a plain int64_t; grid_merge() then adds that
// sum to its 64-bit buffer. Nothing wraps before a flag is set: 32 values below 2^56 are below 2^61, and a buffer that
// was never flagged is below 2^62.
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar {

inline constexpr int kGridBits = 40;                           // a buffer counts units of 2^-40
inline constexpr float kGridLimit = 0x1p16f;                   // values enter below it, and no NaN
inline constexpr int kGridTile = 32;                           // values that may be added before a merge
inline constexpr int64_t kGridBufferLimit = int64_t{1} << 62;  // a merge flags a buffer that reaches it

// x * 2^40 to nearest even. Where |x| >= 2^16 or x is NaN: sets `overflow` and returns 0.
INVAR_INLINE int64_t to_grid(float x, bool& overflow) {
  if (!(x < kGridLimit && x > -kGridLimit)) {
    overflow = true;
    return 0;
  }
  // Exact: 24 bits of fp32. From 2^24 units on it is an integer already; 1.5 * 2^52 + v has v rounded to an integer.
  const double units = static_cast<double>(x) * 0x1p40;
  const bool integer = units >= 0x1p24 || units <= -0x1p24;
  return static_cast<int64_t>(integer ? units : (units + 0x1.8p52) - 0x1.8p52);
}

// The fp32 nearest to v * 2^-40, ties to even.
INVAR_INLINE float from_grid(int64_t v) { return static_cast<float>(v) * 0x1p-40f; }

// buffer += sum, for the sum of at most kGridTile values, or another buffer that was never flagged (of another
// rank). Sets `overflow` where |buffer| >= 2^62 after it; the flag means that the buffer's value is of no use.
INVAR_INLINE void grid_merge(int64_t& buffer, int64_t sum, bool& overflow) {
  // Unsigned: two buffers below 2^62 cannot wrap, but one that was flagged before may.
  const uint64_t merged = static_cast<uint64_t>(buffer) + static_cast<uint64_t>(sum);
  buffer = static_cast<int64_t>(merged);
  // -2^62 < buffer < 2^62
  overflow |= merged + (uint64_t{1} << 62) - 1 > (uint64_t{1} << 63) - 2;
}

}  // namespace invar
