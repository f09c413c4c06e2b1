// The text of swiglu for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/swiglu.h"
#include "kernels/tiers.h"
#include "numerics/functions.h"

namespace invar {
namespace {

[[gnu::flatten]] void swiglu_rows(const SwigluArgs& args, RowRange rows) {
  const int64_t ffn_dim = args.ffn_dim;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const bf16* gate = args.gate_up + r * args.in_stride;
    const bf16* up = gate + ffn_dim;
    bf16* out = args.out + r * args.out_stride;
    int64_t f = 0;
    for (; f + 16 <= ffn_dim; f += 16)
      store_bf16(out + f, num::silu(load_bf16(gate + f)) * load_bf16(up + f));
    if (const int64_t n = ffn_dim - f; n > 0)
      store_bf16(out + f, num::silu(load_bf16(gate + f, n)) * load_bf16(up + f, n), n);
  }
}

}  // namespace
}  // namespace invar
