// Rows of tokens turned into rows of channels, for products that sum over tokens. Permutations of bf16: no bits change.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

// A group of up to 16 tokens.
struct TokenGroup {
  const bf16* values;  // [rows, columns], rows `stride` apart
  int64_t stride;
  int64_t rows;     // tokens, 0 to 16
  int64_t columns;  // channels
};

// out[c, t] = values[t, c]; zeros from `rows` on. out: [columns, 16], rows out_stride apart.
void transpose_tokens(const TokenGroup& group, bf16* out, int64_t out_stride = 16);

// out[t / 2, c, t % 2] = values[t, c], of at most 16 columns: values^T in the layout of PackedWeight. Zeros where there
// is no value. out: [8, 16, 2], 64-byte aligned.
void interleave_tokens(const TokenGroup& group, bf16* out);

}  // namespace invar
