// embedding: rows of a table by token id.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

struct EmbeddingArgs {
  const bf16* table;      // [V, C]
  const int32_t* tokens;  // [rows], each in [0, V): the caller has checked them
  bf16* out;              // [rows, C]
  int64_t rows;
  int64_t vocab;
  int64_t dim;
};

// out[r] = table[tokens[r]]
//
// Numerics  A copy.
// Batch     Row r depends on tokens[r] alone.
// Threads   Rows are divided between threads.
// Cost      Reads and writes rows * C bf16.
void embedding(Queue& queue, const EmbeddingArgs& args);

}  // namespace invar
