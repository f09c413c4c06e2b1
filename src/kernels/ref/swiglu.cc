#include "kernels/swiglu.h"

#include "kernels/tiers.h"
#include "numerics/functions.h"

namespace invar::ref {

void swiglu(const SwigluArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const bf16* gate = args.gate_up + r * args.in_stride;
    const bf16* up = gate + args.ffn_dim;
    bf16* out = args.out + r * args.out_stride;
    for (int64_t f = 0; f < args.ffn_dim; ++f)
      out[f] = to_bf16(num::silu(to_float(gate[f])) * to_float(up[f]));
  }
}

}  // namespace invar::ref
