// NUM-RED (docs/numerics.md): the sum of squares of a row, or of products, in 2048 virtual lanes and one written fold.
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar {

inline constexpr int64_t kReductionThreads = 256;  // t: groups of 8 lanes, a GPU's threads
inline constexpr int64_t kReductionWidth = 8;      // j: neighbouring elements, one 16-byte load of bf16
inline constexpr int64_t kReductionLanes = kReductionThreads * kReductionWidth;

// v[0] of the fold v[i] = v[i] + v[i + stride] for i < stride, strides count / 2, ..., 2, 1; count a power
// of two. v: [count], overwritten.
INVAR_INLINE float reduction_fold(float* v, int64_t count) {
  for (int64_t stride = count / 2; stride > 0; stride /= 2)
    for (int64_t i = 0; i < stride; ++i) v[i] = v[i] + v[i + stride];
  return v[0];
}

// The fold of all lanes. lanes: [2048], lane (t, j) at t * 8 + j, overwritten.
INVAR_INLINE float reduction_total(float* lanes) {
  for (int64_t t = 0; t < kReductionThreads; ++t)
    lanes[t] = reduction_fold(lanes + t * kReductionWidth, kReductionWidth);
  for (int64_t group = 0; group < 8; ++group) lanes[group] = reduction_fold(lanes + group * 32, 32);
  return reduction_fold(lanes, 8);
}

// sum_i x[i]^2. x: [n] of bf16, n >= 0. Element i belongs to lane i mod 2048; a lane adds in ascending i.
INVAR_INLINE float sum_of_squares(const bf16* x, int64_t n) {
  float lanes[kReductionLanes] = {};
  for (int64_t i = 0; i < n; ++i) {
    const float value = to_float(x[i]);
    float& lane = lanes[i % kReductionLanes];
    lane = num::fma(value, value, lane);
  }
  return reduction_total(lanes);
}

// sum_i a[i] x[i] in the same lanes: s = fma(a, x, s). a: [n], x: [n] of bf16.
INVAR_INLINE float sum_of_products(const float* a, const bf16* x, int64_t n) {
  float lanes[kReductionLanes] = {};
  for (int64_t i = 0; i < n; ++i) {
    float& lane = lanes[i % kReductionLanes];
    lane = num::fma(a[i], to_float(x[i]), lane);
  }
  return reduction_total(lanes);
}

}  // namespace invar
