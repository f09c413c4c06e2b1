// What an instruction-set tier supplies for linear_weight_grad() beside the tiles of linear(): NUM-GRID on vectors, and
// the panels of tiles that read fp32.
#pragma once

#include <cstdint>

#include "kernels/cpu/transpose_tokens.h"
#include "numerics/bf16.h"

namespace invar {

// 16 sums of small values on the grid: (high - kAnchor) + low, in units of 2^-40. Adding x = u units takes five
// instructions for 16 lanes of 32 bits, where conversions to 64 bits take twice as many:
//   high' = fp32 nearest to high + u, part = high' - high, low' = low + (u - part to the nearest integer, ties to even)
// While |high - kAnchor| < 2^50, high is a multiple of 2^28 in one binade, so part is exact and a multiple of 2^28, and
// u - part, at most 2^27, is exact as the error of a sum of two fp32 numbers is. A part is even: rounding what is left
// of u rounds u. carry() keeps both halves in their ranges: kAdds values below kLimit are 3/4 of the 2^50, the
// kCarried that it leaves are 1/8, and what rounding moves into high is next to nothing; low stays below 13 * 2^27.
struct alignas(64) GridHalves {
  static constexpr float kAnchor = 0x1.8p51f;
  static constexpr float kLimit = 64;            // |x| that may be added is below it
  static constexpr int kAdds = 12;               // values between two calls of carry()
  static constexpr float kCarried = 0x1p47f;     // |high - kAnchor| after carry(), at most
  static constexpr int kUnitBits = 28;           // of high's last bit
  static constexpr int64_t kLanes = 16;
  static_assert(kAdds * (kLimit * 0x1p40f + 0x1p27f) + kCarried < 0x1p50f);
  static_assert((kAdds + 1) * (int64_t{1} << 27) < INT32_MAX);

  float high[kLanes];
  int32_t low[kLanes];
};

// Sums and values are 64-byte aligned, counts multiples of 16, unless stated. What returns overflow says whether it saw
// one. All may run with subnormals flushed: on the grid they are 0.
struct GridKernels {
  // False where a value is kLimit or more, or NaN; may be false for others that are not small.
  bool (*fits)(const float* values, int64_t count);
  // Adds the values [leaves, count], all of which fit, to sums [count]; leaves <= kLeavesOfAdd.
  void (*add)(const float* values, int64_t leaves, int64_t count, GridHalves* sums);
  static constexpr int64_t kLeavesOfAdd = 4;
  // Moves what low holds of high's unit there. False where a sum is beyond kCarried now: it has to be taken out.
  bool (*carry)(GridHalves* sums, int64_t count);
  // wide[i] += sums[i], which are 0 afterwards.
  void (*take)(GridHalves* sums, int64_t count, int64_t* wide);
  // wide[i] += values[i] of any size on the grid. Does not look at wide: at most kGridTile calls, and a few of take,
  // between two of check. Returns overflow.
  bool (*add_wide)(const float* values, int64_t count, int64_t* wide);
  // Whether a sum has reached 2^62.
  bool (*check)(const int64_t* sums, int64_t count);
  // buffer[i] += sums[i], both of grid_merge. Any count, any alignment. Returns overflow.
  bool (*merge)(const int64_t* sums, int64_t count, int64_t* buffer);
  // out[j, i] = values[i, j] for 8 columns j and `rows` rows i, rows `stride` apart, those of out out_stride apart.
  // Moves rows up to a multiple of 4; 32-byte aligned.
  void (*transpose)(const int64_t* values, int64_t stride, int64_t rows, int64_t* out, int64_t out_stride);
  // sums[c] += values[r, c] on the grid for columns c < columns (at most 16) of `rows` rows (at most kGridTile), rows
  // `stride` apart; sums: [16], not looked at: at most kGridTile rows between two of check. Returns overflow.
  bool (*add_rows)(const bf16* values, int64_t stride, int64_t rows, int64_t columns, int64_t* sums);
  // out[c / 16, t, c % 16] = values[t, c] for 16 tokens, panels out_stride apart; zeros where there is no value.
  void (*widen)(const TokenGroup& group, float* out, int64_t out_stride);
};

GridKernels grid_kernels_avx2();
GridKernels grid_kernels_avx512();

}  // namespace invar
