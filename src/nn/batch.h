// Batch: the packed rows of one forward step, and the cache they read and extend.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/attention.h"

namespace invar {

// T rows (tokens) of several sequences, packed one after the other. chunks[i] names the rows of one sequence; every
// row belongs to exactly one chunk. What is packed with what, and where a prompt is cut, changes no bit of any row.
struct Batch {
  std::span<const int32_t> tokens;     // [T], each in [0, V)
  std::span<const int32_t> positions;  // [T], absolute, as the chunks say
  std::span<const SequenceChunk> chunks;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

// The paged cache of one layer.
struct KvView {
  bf16* k_pages;  // [pages, G, page_size * D], KvLayout's order
  bf16* v_pages;
  KvLayout layout;
};

}  // namespace invar
