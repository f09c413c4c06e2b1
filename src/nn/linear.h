// Linear: a packed weight with an optional bias.
#pragma once

#include "kernels/linear.h"
#include "nn/rows.h"

namespace invar {

struct Linear {
  PackedWeight weight;  // [N, K]
  Buffer<float> bias;   // [N], or empty; bf16 values widened

  int64_t outputs() const { return weight.n; }
  int64_t inputs() const { return weight.k; }
};

// out[T, N] = x[T, K] W^T + b, rounded to bf16.  NUM-DOT.
void forward(Queue& queue, const Linear& linear, int64_t rows, Rows<const bf16> x, Rows<bf16> out);
// The same without the last rounding: the LM head.
void forward(Queue& queue, const Linear& linear, int64_t rows, Rows<const bf16> x, Rows<float> out);

}  // namespace invar
