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

// The activation alone: scratch.activation = silu(gate) * up, from scratch.gate_up as it is.
void activate(Queue& queue, const Mlp& mlp, int64_t rows, const MlpScratch& scratch);

// out[T, C] = down(silu(gate(x)) * up(x))
void forward(Queue& queue, const Mlp& mlp, int64_t rows, Rows<const bf16> x, const MlpScratch& scratch,
             Rows<bf16> out);

struct MlpTransposed {
  PackedWeight gate_up;  // [C, 2 F]
  PackedWeight down;     // [F, C]
};

struct MlpGrad {
  LinearGrad gate_up;
  LinearGrad down;
};

struct MlpBackwardScratch {
  Rows<float> d_activation;  // [T, F]
  Rows<bf16> d_gate_up;      // [T, 2 F]
};

// dx[T, C] from d_out[T, C]. x and saved: what forward() was given and left there. Adds the weights' gradients to grad.
void backward(Queue& queue, const Mlp& mlp, const MlpTransposed& transposed,
              std::span<const SequenceRows> sequences, int64_t rows, Rows<const bf16> x,
              const MlpScratch& saved, Rows<const bf16> d_out, const MlpBackwardScratch& scratch,
              Rows<float> dx, const MlpGrad& grad, bool& overflow);

}  // namespace invar
