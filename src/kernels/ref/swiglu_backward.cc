#include "kernels/swiglu_backward.h"

#include "kernels/tiers.h"
#include "numerics/functions.h"

namespace invar::ref {

void swiglu_backward(const SwigluBackwardArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* d_out = args.d_out + r * args.d_out_stride;
    const bf16* gate_up = args.gate_up + r * args.in_stride;
    bf16* d_gate_up = args.d_gate_up + r * args.out_stride;
    for (int64_t f = 0; f < args.ffn_dim; ++f) {
      const float gate = to_float(gate_up[f]);
      const float up = to_float(gate_up[args.ffn_dim + f]);
      const float s = num::sigmoid(gate);
      d_gate_up[f] = to_bf16((d_out[f] * (up * s)) * num::fma(gate, 1.0f - s, 1.0f));
      d_gate_up[args.ffn_dim + f] = to_bf16(d_out[f] * (gate * s));
    }
  }
}

}  // namespace invar::ref
