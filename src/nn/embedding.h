// Embedding: a table of token vectors.
#pragma once

#include <span>

#include "kernels/embedding.h"
#include "nn/rows.h"
#include "tensor/buffer.h"

namespace invar {

struct Embedding {
  Buffer<bf16> table;  // [V, C]
  int64_t vocab = 0;   // V
  int64_t dim = 0;     // C
};

// out[T, C] contiguous: the rows of `tokens`.
void forward(Queue& queue, const Embedding& embedding, std::span<const int32_t> tokens, bf16* out);
// d_table[V, C] += d_out of the rows of each token, in units of NUM-GRID.
void backward(Queue& queue, const Embedding& embedding, std::span<const int32_t> tokens,
              Rows<const float> d_out, int64_t* d_table, bool& overflow);

}  // namespace invar
