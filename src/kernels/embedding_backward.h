// embedding_backward: the gradient of a table whose rows were taken by token id.
#pragma once

#include <cstdint>

#include "kernels/queue.h"

namespace invar {

struct EmbeddingBackwardArgs {
  const float* d_out;     // [rows, C], gradient of embedding's output, rows d_out_stride apart
  int64_t d_out_stride;   // elements, >= C
  const int32_t* tokens;  // [rows], each in [0, V): the caller has checked them
  int64_t* d_table;       // [V, C], += the gradient in units of NUM-GRID
  bool* overflow;         // set, never cleared, where NUM-GRID reports d_table
  int64_t rows;
  int64_t vocab;
  int64_t dim;
};

// d_table[tokens[r], c] += grid(d_out[r, c])
//
// Numerics  NUM-EMBED-BWD: every token's value enters NUM-GRID by itself.
// Batch     A sum of integers: any order, any cut of the rows into calls.
// Threads   Columns are divided between threads.
// Cost      Reads rows * C fp32; reads and writes rows * C int64 of the table.
void embedding_backward(Queue& queue, const EmbeddingBackwardArgs& args);

}  // namespace invar
