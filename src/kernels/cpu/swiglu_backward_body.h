// The text of swiglu_backward for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/swiglu_backward.h"
#include "kernels/tiers.h"
#include "numerics/functions.h"

namespace invar {
namespace {

struct SwigluGradients {
  F32x16 gate;
  F32x16 up;
};

INVAR_SIMD SwigluGradients swiglu_gradients(F32x16 d_out, F32x16 gate, F32x16 up) {
  const F32x16 s = num::sigmoid(gate);
  return {(d_out * (up * s)) * fma(gate, F32x16(1.0f) - s, F32x16(1.0f)), d_out * (gate * s)};
}

[[gnu::flatten]] void swiglu_backward_rows(const SwigluBackwardArgs& args, RowRange rows) {
  const int64_t ffn_dim = args.ffn_dim;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* d_out = args.d_out + r * args.d_out_stride;
    const bf16* gate = args.gate_up + r * args.in_stride;
    const bf16* up = gate + ffn_dim;
    bf16* d_gate = args.d_gate_up + r * args.out_stride;
    bf16* d_up = d_gate + ffn_dim;
    int64_t f = 0;
    for (; f + 16 <= ffn_dim; f += 16) {
      const SwigluGradients g = swiglu_gradients(load_f32(d_out + f), load_bf16(gate + f), load_bf16(up + f));
      store_bf16(d_gate + f, g.gate);
      store_bf16(d_up + f, g.up);
    }
    if (const int64_t n = ffn_dim - f; n > 0) {
      const SwigluGradients g =
          swiglu_gradients(load_f32(d_out + f, n), load_bf16(gate + f, n), load_bf16(up + f, n));
      store_bf16(d_gate + f, g.gate, n);
      store_bf16(d_up + f, g.up, n);
    }
  }
}

}  // namespace
}  // namespace invar
