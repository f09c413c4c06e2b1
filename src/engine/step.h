// Step: the rows of one forward, and whose they are.
#pragma once

#include <vector>

#include "engine/sequence.h"
#include "nn/batch.h"

namespace invar {

struct Step {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<SequenceChunk> chunks;
  std::vector<Sequence*> owners;  // of chunks[i]
  int64_t decode_rows = 0;

  Batch batch() const { return {.tokens = tokens, .positions = positions, .chunks = chunks}; }
  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }

  void reserve(int64_t rows, int64_t sequences) {
    tokens.reserve(static_cast<std::size_t>(rows));
    positions.reserve(static_cast<std::size_t>(rows));
    chunks.reserve(static_cast<std::size_t>(sequences));
    owners.reserve(static_cast<std::size_t>(sequences));
  }
  void clear() {
    tokens.clear();
    positions.clear();
    chunks.clear();
    owners.clear();
    decode_rows = 0;
  }
  // The next `rows` positions of a sequence.
  void add(Sequence& sequence, int64_t rows) {
    chunks.push_back({.row_begin = this->rows(),
                      .rows = rows,
                      .position_begin = sequence.computed,
                      .pages = sequence.pages.data()});
    owners.push_back(&sequence);
    for (int64_t i = sequence.computed; i < sequence.computed + rows; ++i) {
      tokens.push_back(sequence.tokens[static_cast<std::size_t>(i)]);
      positions.push_back(static_cast<int32_t>(i));
    }
  }
};

}  // namespace invar
