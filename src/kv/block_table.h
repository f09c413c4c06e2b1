// BlockTable: the pages of one sequence, in the order of its positions; the table that attention reads.
//
// Its room is taken once, when the sequence is admitted: later growth moves nothing and allocates
// nothing, so that data() holds for the sequence's life.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "kv/page_pool.h"

namespace invar {

class BlockTable {
 public:
  // Room for the pages of `tokens_max` tokens; holds none yet.
  BlockTable(int64_t page_size, int64_t tokens_max) : page_size_(page_size) {
    INVAR_CHECK(page_size > 0 && tokens_max >= 0, "page size {}, {} tokens", page_size, tokens_max);
    pages_.reserve(static_cast<std::size_t>(pages_for(tokens_max)));
  }

  const int32_t* data() const { return pages_.data(); }
  std::span<const int32_t> pages() const { return pages_; }
  // To append pages whose reference this sequence has taken: for PrefixTree::match.
  std::vector<int32_t>& list() { return pages_; }

  // Pages that ensure(tokens) would take from the pool.
  int64_t missing(int64_t tokens) const {
    const int64_t held = static_cast<int64_t>(pages_.size());
    const int64_t needed = pages_for(tokens);
    return needed > held ? needed - held : 0;
  }

  // Holds pages for positions [0, tokens) from now on; false, and no change, when the pool has too
  // few free ones.
  [[nodiscard]] bool ensure(PagePool& pool, int64_t tokens) {
    const int64_t count = missing(tokens);
    INVAR_CHECK(pages_.size() + static_cast<std::size_t>(count) <= pages_.capacity(),
                "{} pages and {} more exceed the room for {}", pages_.size(), count, pages_.capacity());
    return pool.allocate(count, pages_);
  }

  // Gives up the sequence's reference on each page, the last page first.
  void release(PagePool& pool) { pool.release(pages_); }

 private:
  int64_t pages_for(int64_t tokens) const { return (tokens + page_size_ - 1) / page_size_; }

  int64_t page_size_;
  std::vector<int32_t> pages_;
};

}  // namespace invar
