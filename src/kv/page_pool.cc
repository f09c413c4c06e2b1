#include "kv/page_pool.h"

namespace invar {

PagePool::PagePool(const Shape& shape) {
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    keys_.emplace_back(shape.pages * shape.page_elements);
    values_.emplace_back(shape.pages * shape.page_elements);
  }
  for (int64_t page = shape.pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

bool PagePool::allocate(int64_t count, std::vector<int32_t>& pages) {
  if (count > free_pages()) return false;
  for (int64_t i = 0; i < count; ++i) {
    pages.push_back(free_.back());
    free_.pop_back();
  }
  return true;
}

void PagePool::release(std::vector<int32_t>& pages) {
  while (!pages.empty()) {
    free_.push_back(pages.back());
    pages.pop_back();
  }
}

}  // namespace invar
