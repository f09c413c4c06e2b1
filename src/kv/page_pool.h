// PagePool: which pages of the KV cache are free, and the memory of all layers' pages.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tensor/buffer.h"

namespace invar {

class PagePool {
 public:
  struct Shape {
    int64_t layers;
    int64_t pages;
    int64_t page_elements;  // of the keys, and of the values, of one page of one layer
  };
  explicit PagePool(const Shape& shape);

  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }

  // Appends `count` free pages to `pages`; false, and no change, when there are not enough.
  [[nodiscard]] bool allocate(int64_t count, std::vector<int32_t>& pages);
  // Gives pages back and empties the list.
  void release(std::vector<int32_t>& pages);

  uint16_t* keys(int64_t layer) { return keys_[layer].data(); }  // [pages, page_elements] bf16 bits
  uint16_t* values(int64_t layer) { return values_[layer].data(); }

 private:
  std::vector<Buffer<uint16_t>> keys_;
  std::vector<Buffer<uint16_t>> values_;
  std::vector<int32_t> free_;  // a stack: the page given back last is used first
};

}  // namespace invar
