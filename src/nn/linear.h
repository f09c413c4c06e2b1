// Linear: a packed weight with an optional bias.
#pragma once

#include <span>

#include "kernels/linear.h"
#include "kernels/linear_weight_grad.h"
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

// Sums that backward passes add to, in units of NUM-GRID.
struct LinearGrad {
  int64_t* weight;  // [N, K] row-major
  int64_t* bias;    // [N], or null without a bias
};

// dx[T, K] = dy[T, N] W. transposed: W^T, packed [K, N].  NUM-DOT over ascending n.
void backward_input(Queue& queue, const PackedWeight& transposed, int64_t rows, Rows<const bf16> dy,
                    Rows<float> dx);
void backward_input(Queue& queue, const PackedWeight& transposed, int64_t rows, Rows<const bf16> dy,
                    Rows<bf16> dx);
// grad.weight += dy^T x and grad.bias += dy, summed over the rows of the sequences.  NUM-LINGRAD.
void backward_weight(Queue& queue, const Linear& linear, std::span<const SequenceRows> sequences,
                     Rows<const bf16> dy, Rows<const bf16> x, const LinearGrad& grad, bool& overflow);

}  // namespace invar
