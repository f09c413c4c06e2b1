#include "kernels/cpu/h16_group.h"

#include <bit>

#include "numerics/h16.h"

namespace invar {
namespace {

// Exact: the values of a group came from bf16.
bf16 upper_half(float x) { return {static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16)}; }

}  // namespace

void h16_lanes(uint32_t lanes, const float* c, const H16Row& row, const H16Weights& weights, float* result) {
  bf16 a[16];
  for (int k = 0; k < 16; ++k) a[k] = upper_half(row.value[k]);
  for (; lanes != 0; lanes &= lanes - 1) {
    const int n = std::countr_zero(lanes);
    bf16 w[16];
    for (int k = 0; k < 16; ++k) w[k] = upper_half(weights.value[k][n]);
    result[n] = h16(c[n], a, w);
  }
}

}  // namespace invar
