// The epilogue of linear(), all SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/linear_kernels.h"

namespace invar {
namespace {

INVAR_SIMD void store_output(float* out, F32x16 y) { store_f32(out, y); }
INVAR_SIMD void store_output(float* out, F32x16 y, int64_t n) { store_f32(out, y, n); }
INVAR_SIMD void store_output(bf16* out, F32x16 y) { store_bf16(out, y); }
INVAR_SIMD void store_output(bf16* out, F32x16 y, int64_t n) { store_bf16(out, y, n); }

// y[n] (+ bias[n]) to out[n] for n in [0, outputs); y may be read up to a multiple of 16.
template <class Out>
INVAR_SIMD void store_row(const float* y, const float* bias, Out* out, int64_t outputs) {
  int64_t n = 0;
  for (; n + 16 <= outputs; n += 16) {
    F32x16 value = load_f32(y + n);
    if (bias != nullptr) value = value + load_f32(bias + n);
    store_output(out + n, value);
  }
  if (n == outputs) return;
  F32x16 value = load_f32(y + n);
  if (bias != nullptr) value = value + load_f32(bias + n, outputs - n);
  store_output(out + n, value, outputs - n);
}

[[gnu::flatten]] void store_block(const LinearOutput& to, const LinearBlock& block) {
  const float* bias = to.bias != nullptr ? to.bias + block.n_begin : nullptr;
  for (int64_t r = 0; r < block.rows; ++r) {
    const float* y = block.acc + r * block.acc_stride;
    const int64_t out = (block.row_begin + r) * to.stride + block.n_begin;
    if (to.out_bf16 != nullptr)
      store_row(y, bias, to.out_bf16 + out, block.outputs);
    else
      store_row(y, bias, to.out_f32 + out, block.outputs);
  }
}

}  // namespace
}  // namespace invar
