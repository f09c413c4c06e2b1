// Mlp: the gated MLP of llama-like models.
#pragma once

#include "nn/linear.h"

namespace invar {

struct Mlp {
  Linear gate_up;  // [2 F, C]: gates, then ups
  Linear down;     // [C, F]
};

struct MlpScratch {
  Rows<bf16> gate_up;     // [T, 2 F]
  Rows<bf16> activation;  // [T, F]
};

// out[T, C] = down(silu(gate(x)) * up(x))
void forward(Queue& queue, const Mlp& mlp, int64_t rows, Rows<const bf16> x, const MlpScratch& scratch,
             Rows<bf16> out);

}  // namespace invar
