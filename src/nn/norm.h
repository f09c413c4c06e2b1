// RmsNorm: a gain and an epsilon.
#pragma once

#include "kernels/rms_norm.h"
#include "kernels/rms_norm_backward.h"
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

// d_residual += the gradient of h, where out = norm(h) and h is also what the residual stream goes on with; both
// [T, C]. d_weight: [C] += the gain's, in units of NUM-GRID.  NUM-NORM-BWD.
void backward_residual(Queue& queue, const RmsNorm& norm, int64_t rows, Rows<const bf16> h,
                       Rows<const float> d_out, Rows<float> d_residual, int64_t* d_weight, bool& overflow);
// Of forward_heads: h is what it was given.
void backward_heads(Queue& queue, const RmsNorm& norm, int64_t rows, int64_t groups, Rows<const bf16> h,
                    Rows<const float> d_out, Rows<bf16> dx, int64_t* d_weight, bool& overflow);

}  // namespace invar
