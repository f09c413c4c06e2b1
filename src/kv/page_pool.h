// PagePool: who holds which page of the KV cache. It knows no memory: that is KvMemory's.
//
// A page is free, or has one reference for each holder: a sequence that reads or writes it, the
// prefix tree. The free list is a stack, so that the same calls give the same pages. Nothing
// allocates after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/check.h"

namespace invar {

class PagePool {
 public:
  explicit PagePool(int64_t pages);  // 0 to 2^31 - 2; all free

  int64_t pages() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }

  // A free page, now with one reference; none when all are held.
  [[nodiscard]] std::optional<int32_t> allocate();
  // Appends `count` free pages to `pages`, one reference each; false, and no change, when there are
  // not enough.
  [[nodiscard]] bool allocate(int64_t count, std::vector<int32_t>& pages);

  // One reference more; the page must be held already.
  void retain(int32_t page) { ++held(page); }
  // One reference less; the last one frees the page. What is freed last is given out first.
  void release(int32_t page);
  // Releases each page of the list, from its end, and empties it.
  void release(std::vector<int32_t>& pages);

  int32_t references(int32_t page) const { return references_[checked(page)]; }  // 0: free

 private:
  int32_t checked(int32_t page) const {
    INVAR_CHECK(page >= 0 && page < pages(), "page {} of {}", page, pages());
    return page;
  }
  int32_t& held(int32_t page) {
    int32_t& references = references_[checked(page)];
    INVAR_CHECK(references > 0, "page {} is free", page);
    return references;
  }

  std::vector<int32_t> references_;  // [pages]
  std::vector<int32_t> free_;
};

}  // namespace invar
