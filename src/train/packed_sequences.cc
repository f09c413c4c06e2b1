#include "train/packed_sequences.h"

#include <algorithm>

namespace invar {
namespace {

constexpr int64_t kPageSize = PackedSequences::kPageSize;

int64_t pages_for(int64_t rows) { return (rows + kPageSize - 1) / kPageSize; }

// Rows of `tokens` that are those of the sequence before it: whole pages, and not all of them.
int64_t shared_rows(std::span<const int32_t> before, std::span<const int32_t> tokens) {
  const auto rows = static_cast<int64_t>(std::min(before.size() - 1, tokens.size() - 2));
  const auto same = std::mismatch(tokens.begin(), tokens.begin() + rows, before.begin()).first - tokens.begin();
  return same / kPageSize * kPageSize;
}

}  // namespace

void PackedSequences::pack(std::span<const std::span<const int32_t>> sequences) {
  tokens_.clear();
  positions_.clear();
  pages_.clear();
  chunks_.clear();
  sequences_.clear();
  all_tokens_.clear();
  all_positions_.clear();
  rows_.clear();
  next_page_ = 0;
  std::vector<std::size_t> page_begin;  // in pages_, of each sequence
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::span<const int32_t> tokens = sequences[s];
    const auto rows = std::ssize(tokens) - 1;
    const int64_t shared = s == 0 ? 0 : shared_rows(sequences[s - 1], tokens);
    const int64_t begin = std::ssize(rows_);
    page_begin.push_back(pages_.size());
    for (int64_t p = 0; p < shared; ++p)
      rows_.push_back(rows_[static_cast<std::size_t>(sequences_.back().row_begin + p)]);
    for (int64_t i = 0; i < pages_for(rows); ++i)
      pages_.push_back(i < shared / kPageSize ? pages_[page_begin[s - 1] + static_cast<std::size_t>(i)] : next_page_++);
    chunks_.push_back(
        {.row_begin = std::ssize(tokens_), .rows = rows - shared, .position_begin = shared, .pages = nullptr});
    for (int64_t p = 0; p < rows; ++p) {
      const int32_t token = tokens[static_cast<std::size_t>(p)];
      all_tokens_.push_back(token);
      all_positions_.push_back(static_cast<int32_t>(p));
      if (p < shared) continue;
      rows_.push_back(static_cast<int32_t>(tokens_.size()));
      tokens_.push_back(token);
      positions_.push_back(static_cast<int32_t>(p));
    }
    sequences_.push_back({.row_begin = begin, .rows = rows});
  }
  for (std::size_t s = 0; s < sequences.size(); ++s) chunks_[s].pages = pages_.data() + page_begin[s];
}

}  // namespace invar
