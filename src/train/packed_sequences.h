// PackedSequences: the rows of a micro-batch, with each common prefix of neighbours computed once.
//
// The samples of a group have one prompt. Causal attention makes its rows the same in all of them, to the bit, so
// the forward computes them for the first sample, and the others read its pages of the cache. Backward passes need the
// rows of whole sequences, because what comes back to a prompt is another gradient in every sample.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/sequence_rows.h"
#include "nn/batch.h"

namespace invar {

class PackedSequences {
 public:
  // Tokens of a page: prefixes are shared in whole pages. Small pages waste little on short sequences.
  static constexpr int64_t kPageSize = 16;

  // Each of L >= 2 tokens, whose last one is scored and computes no row.
  void pack(std::span<const std::span<const int32_t>> sequences);

  // Of the forward: every row once.
  Batch batch() const { return {.tokens = tokens_, .positions = positions_, .chunks = chunks_}; }
  int64_t pages() const { return next_page_; }  // of the cache

  // Of the backward: sequence after sequence.
  std::span<const SequenceRows> sequences() const { return sequences_; }
  std::span<const int32_t> tokens() const { return all_tokens_; }        // [T]
  std::span<const int32_t> positions() const { return all_positions_; }  // [T]
  // [T]: the row of the forward that each row is a copy of.
  std::span<const int32_t> rows() const { return rows_; }
  bool shares() const { return rows_.size() != tokens_.size(); }

 private:
  std::vector<int32_t> tokens_, positions_, pages_;
  std::vector<SequenceChunk> chunks_;
  int32_t next_page_ = 0;
  std::vector<SequenceRows> sequences_;
  std::vector<int32_t> all_tokens_, all_positions_, rows_;
};

}  // namespace invar
