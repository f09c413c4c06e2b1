// RmsNorm: a gain and an epsilon.
#pragma once

#include "kernels/rms_norm.h"
#include "nn/rows.h"
#include "tensor/buffer.h"

namespace invar {

struct RmsNorm {
  Buffer<bf16> weight;  // [C]
  float eps = 0;
};

// out = norm(x), each [T, C].
void forward(Queue& queue, const RmsNorm& norm, int64_t rows, Rows<const bf16> x, Rows<bf16> out);
// residual = bf16(residual + x); out = norm(residual). residual is contiguous [T, C].
void forward_residual(Queue& queue, const RmsNorm& norm, int64_t rows, Rows<const bf16> x, bf16* residual,
                      Rows<bf16> out);
// In place on `groups` vectors of C side by side in each row: the q/k norm of a head.
void forward_heads(Queue& queue, const RmsNorm& norm, int64_t rows, int64_t groups, Rows<bf16> x);

}  // namespace invar
