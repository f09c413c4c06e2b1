// Pair: two floats with nothing but the operations that numerics/functions.h asks of a vector type, for
// tests.
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar::pair_test {

struct Mask {
  bool lane[2];
};
struct Int {
  uint32_t lane[2];
  Int() = default;
  explicit Int(uint32_t x) : lane{x, x} {}
  Int(uint32_t x, uint32_t y) : lane{x, y} {}
};
struct Pair {
  float lane[2];
  Pair() = default;
  explicit Pair(float x) : lane{x, x} {}
  Pair(float x, float y) : lane{x, y} {}
};

#define INVAR_LANES(Result, expression)                 \
  Result r;                                             \
  for (int i = 0; i < 2; ++i) r.lane[i] = (expression); \
  return r
inline Pair operator+(Pair a, Pair b) { INVAR_LANES(Pair, a.lane[i] + b.lane[i]); }
inline Pair operator-(Pair a, Pair b) { INVAR_LANES(Pair, a.lane[i] - b.lane[i]); }
inline Pair operator*(Pair a, Pair b) { INVAR_LANES(Pair, a.lane[i] * b.lane[i]); }
inline Pair operator/(Pair a, Pair b) { INVAR_LANES(Pair, a.lane[i] / b.lane[i]); }
inline Pair operator-(Pair a) { INVAR_LANES(Pair, -a.lane[i]); }
inline Pair fma(Pair a, Pair b, Pair c) { INVAR_LANES(Pair, num::fma(a.lane[i], b.lane[i], c.lane[i])); }
inline Pair sqrt(Pair a) { INVAR_LANES(Pair, num::sqrt(a.lane[i])); }
inline Pair min(Pair a, Pair b) { INVAR_LANES(Pair, num::min(a.lane[i], b.lane[i])); }
inline Pair max(Pair a, Pair b) { INVAR_LANES(Pair, num::max(a.lane[i], b.lane[i])); }
inline Mask less(Pair a, Pair b) { INVAR_LANES(Mask, a.lane[i] < b.lane[i]); }
inline Mask equal(Pair a, Pair b) { INVAR_LANES(Mask, a.lane[i] == b.lane[i]); }
inline Pair select(Mask m, Pair a, Pair b) { INVAR_LANES(Pair, m.lane[i] ? a.lane[i] : b.lane[i]); }
inline Int as_int(Pair a) { INVAR_LANES(Int, num::as_int(a.lane[i])); }
inline Pair as_float(Int a) { INVAR_LANES(Pair, num::as_float(a.lane[i])); }
inline Pair to_float(Int a) { INVAR_LANES(Pair, num::to_float(a.lane[i])); }
inline Int operator-(Int a, Int b) { INVAR_LANES(Int, a.lane[i] - b.lane[i]); }
inline Int operator&(Int a, Int b) { INVAR_LANES(Int, a.lane[i] & b.lane[i]); }
inline Int operator|(Int a, Int b) { INVAR_LANES(Int, a.lane[i] | b.lane[i]); }
inline Int operator^(Int a, Int b) { INVAR_LANES(Int, a.lane[i] ^ b.lane[i]); }
template <int kBits>
inline Int shl(Int a) {
  INVAR_LANES(Int, num::shl<kBits>(a.lane[i]));
}
template <int kBits>
inline Int shr(Int a) {
  INVAR_LANES(Int, num::shr<kBits>(a.lane[i]));
}
template <int kBits>
inline Int sar(Int a) {
  INVAR_LANES(Int, num::sar<kBits>(a.lane[i]));
}
#undef INVAR_LANES

}  // namespace invar::pair_test
