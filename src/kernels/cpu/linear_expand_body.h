// bf16 to fp32 for tiles of FMAs, all SIMD tiers; include a simd_*.h first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "numerics/bf16.h"

namespace invar {
namespace {

// 16 k of one row: x [16], out [16] fp32.
inline void expand_row_f32(const bf16* x, std::byte* out) {
  store_f32(reinterpret_cast<float*>(out), load_bf16(x));
}

// A packed panel: out [k, 16] fp32.
inline void expand_panel_f32(const bf16* panel, int64_t k, std::byte* out) {
  float* to = reinterpret_cast<float*>(out);
  for (int64_t i = 0; i < k / 2; ++i, panel += 32, to += 32) {
    const I32x16 pairs = load_i32(reinterpret_cast<const int32_t*>(panel));
    store_f32(to, as_float(shl<16>(pairs)));
    store_f32(to + 16, as_float(pairs & I32x16(0xffff0000u)));
  }
}

}  // namespace
}  // namespace invar
