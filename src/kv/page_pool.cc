#include "kv/page_pool.h"

#include <limits>

namespace invar {

PagePool::PagePool(int64_t pages) {
  INVAR_CHECK(pages >= 0 && pages < std::numeric_limits<int32_t>::max(), "{} pages", pages);
  references_.resize(static_cast<std::size_t>(pages));
  free_.reserve(static_cast<std::size_t>(pages));
  for (int64_t page = pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

std::optional<int32_t> PagePool::allocate() {
  if (free_.empty()) return std::nullopt;
  const int32_t page = free_.back();
  free_.pop_back();
  references_[page] = 1;
  return page;
}

bool PagePool::allocate(int64_t count, std::vector<int32_t>& pages) {
  if (count > free_pages()) return false;
  for (int64_t i = 0; i < count; ++i) pages.push_back(*allocate());
  return true;
}

void PagePool::release(int32_t page) {
  if (--held(page) == 0) free_.push_back(page);
}

void PagePool::release(std::vector<int32_t>& pages) {
  while (!pages.empty()) {
    release(pages.back());
    pages.pop_back();
  }
}

}  // namespace invar
