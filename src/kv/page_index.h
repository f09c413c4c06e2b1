// PageIndex: from a hash to the page that was added with it; open addressing, linear probing.
//
// Nothing allocates after construction, and no result depends on the order of the slots: a hash
// only narrows the search, the caller's comparison decides.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace invar {

class PageIndex {
 public:
  // For up to `pages` entries; at most half of the slots are ever used.
  explicit PageIndex(int64_t pages)
      : slots_(std::bit_ceil(2 * static_cast<std::size_t>(pages) + 2)), mask_(slots_.size() - 1) {}

  int64_t size() const { return size_; }

  // The page of this hash for which same(page) holds, or -1. Expected O(1).
  template <class Same>
  int32_t find(uint64_t hash, const Same& same) const {
    for (std::size_t i = hash & mask_; slots_[i].page >= 0; i = (i + 1) & mask_) {
      if (slots_[i].hash == hash && same(slots_[i].page)) return slots_[i].page;
    }
    return -1;
  }

  void add(uint64_t hash, int32_t page) {
    INVAR_CHECK(static_cast<std::size_t>(size_) < slots_.size() / 2, "{} entries", size_);
    std::size_t i = hash & mask_;
    while (slots_[i].page >= 0) i = (i + 1) & mask_;
    slots_[i] = {hash, page};
    ++size_;
  }

  void remove(uint64_t hash, int32_t page) {
    std::size_t hole = hash & mask_;
    while (slots_[hole].page != page) {
      INVAR_CHECK(slots_[hole].page >= 0, "page {} was not added", page);
      hole = (hole + 1) & mask_;
    }
    // Entries behind the hole move up as far as their own slot allows, so that no search ends early
    // at the hole.
    for (std::size_t i = (hole + 1) & mask_; slots_[i].page >= 0; i = (i + 1) & mask_) {
      if (((i - slots_[i].hash) & mask_) < ((i - hole) & mask_)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].page = -1;
    --size_;
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    int32_t page = -1;
  };

  std::vector<Slot> slots_;  // a power of two
  std::size_t mask_;
  int64_t size_ = 0;
};

}  // namespace invar
