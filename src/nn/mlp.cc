#include "nn/mlp.h"

#include "kernels/swiglu.h"
#include "kernels/swiglu_backward.h"

namespace invar {

void activate(Queue& queue, const Mlp& mlp, int64_t rows, const MlpScratch& scratch) {
  swiglu(queue, {.gate_up = scratch.gate_up.data,
                 .out = scratch.activation.data,
                 .in_stride = scratch.gate_up.stride,
                 .out_stride = scratch.activation.stride,
                 .rows = rows,
                 .ffn_dim = mlp.down.inputs()});
}

void forward(Queue& queue, const Mlp& mlp, int64_t rows, Rows<const bf16> x, const MlpScratch& scratch,
             Rows<bf16> out) {
  forward(queue, mlp.gate_up, rows, x, scratch.gate_up);
  activate(queue, mlp, rows, scratch);
  forward(queue, mlp.down, rows, scratch.activation, out);
}

void backward(Queue& queue, const Mlp& mlp, const MlpTransposed& transposed,
              std::span<const SequenceRows> sequences, int64_t rows, Rows<const bf16> x,
              const MlpScratch& saved, Rows<const bf16> d_out, const MlpBackwardScratch& scratch,
              Rows<float> dx, const MlpGrad& grad, bool& overflow) {
  backward_weight(queue, mlp.down, sequences, d_out, saved.activation, grad.down, overflow);
  backward_input(queue, transposed.down, rows, d_out, scratch.d_activation);
  swiglu_backward(queue, {.d_out = scratch.d_activation.data,
                          .gate_up = saved.gate_up.data,
                          .d_gate_up = scratch.d_gate_up.data,
                          .d_out_stride = scratch.d_activation.stride,
                          .in_stride = saved.gate_up.stride,
                          .out_stride = scratch.d_gate_up.stride,
                          .rows = rows,
                          .ffn_dim = mlp.down.inputs()});
  backward_weight(queue, mlp.gate_up, sequences, scratch.d_gate_up, x, grad.gate_up, overflow);
  backward_input(queue, transposed.gate_up, rows, scratch.d_gate_up, dx);
}

}  // namespace invar
