#include "nn/mlp.h"

#include "kernels/swiglu.h"

namespace invar {

void forward(Queue& queue, const Mlp& mlp, int64_t rows, Rows<const bf16> x, const MlpScratch& scratch,
             Rows<bf16> out) {
  forward(queue, mlp.gate_up, rows, x, scratch.gate_up);
  swiglu(queue, {.gate_up = scratch.gate_up.data,
                 .out = scratch.activation.data,
                 .in_stride = scratch.gate_up.stride,
                 .out_stride = scratch.activation.stride,
                 .rows = rows,
                 .ffn_dim = mlp.down.inputs()});
  forward(queue, mlp.down, rows, scratch.activation, out);
}

}  // namespace invar
