// NUM-GRADNORM (docs/numerics.md): the exact sum of the squares of gradient sums, 192 bits wide.
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar {

// In units of 2^-80 (squares of units of 2^-40). 2^68 squares of sums below 2^62 fit.
struct SquareSum {
  uint64_t words[3] = {};  // the least significant one first

  friend bool operator==(const SquareSum&, const SquareSum&) = default;
};

INVAR_INLINE void add_to(SquareSum& sum, unsigned __int128 square) {
  unsigned __int128 carry = static_cast<unsigned __int128>(sum.words[0]) + static_cast<uint64_t>(square);
  sum.words[0] = static_cast<uint64_t>(carry);
  carry = (carry >> 64) + sum.words[1] + static_cast<uint64_t>(square >> 64);
  sum.words[1] = static_cast<uint64_t>(carry);
  sum.words[2] += static_cast<uint64_t>(carry >> 64);
}

INVAR_INLINE void add_to(SquareSum& sum, const SquareSum& other) {
  add_to(sum, static_cast<unsigned __int128>(other.words[1]) << 64 | other.words[0]);
  sum.words[2] += other.words[2];
}

// Adds the squares of gradient[0 .. n - 1], each below 2^62 in magnitude.
INVAR_INLINE void add_squares(SquareSum& sum, const int64_t* gradient, int64_t n) {
  const auto square = [](int64_t value) {
    const uint64_t magnitude = value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    return static_cast<unsigned __int128>(magnitude) * magnitude;
  };
  constexpr int64_t kTerms = 8;  // squares below 2^124: eight of them are below 2^127
  int64_t i = 0;
  for (; i + kTerms <= n; i += kTerms) {
    unsigned __int128 squares = 0;
#pragma GCC unroll 8
    for (int64_t j = 0; j < kTerms; ++j) squares += square(gradient[i + j]);
    add_to(sum, squares);
  }
  for (; i < n; ++i) add_to(sum, square(gradient[i]));
}

// The binary64 nearest to the sum as an integer, ties to even: not yet times 2^-80.
INVAR_INLINE double to_double(const SquareSum& sum) {
  int top = 2;
  while (top > 0 && sum.words[top] == 0) --top;
  if (sum.words[top] == 0) return 0.0;
  // The leading 64 bits, the last of them set if a bit below is: it is below the half of the last place kept.
  const int shift = __builtin_clzll(sum.words[top]);
  uint64_t leading = sum.words[top] << shift;
  uint64_t rest = 0;
  if (top > 0) {
    if (shift > 0) leading |= sum.words[top - 1] >> (64 - shift);
    rest = sum.words[top - 1] << shift;
  }
  if (top > 1) rest |= sum.words[0];
  leading |= rest != 0 ? 1 : 0;
  const double scales[3] = {1.0, 0x1p64, 0x1p128};
  const double unshift = __builtin_bit_cast(double, static_cast<uint64_t>(1023 - shift) << 52);
  return static_cast<double>(leading) * unshift * scales[top];
}

// The Euclidean norm of the gradient that the squares were of: sqrt, then one exact scaling.
INVAR_INLINE double gradient_norm(const SquareSum& sum) { return __builtin_sqrt(to_double(sum)) * 0x1p-40; }

}  // namespace invar
