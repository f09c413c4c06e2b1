// KvMemory: the keys and values of all layers' pages, in the host's memory.
//
// The memory is zero at first and comes from the operating system when a page is first written: a
// large cache costs nothing until it is used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace invar {

class KvMemory {
 public:
  struct Shape {
    int64_t layers;
    int64_t pages;
    int64_t page_elements;        // of the keys, and of the values, of one page of one layer
    int64_t page_bytes() const {  // of one page, all layers, keys and values
      return layers * page_elements * 2 * static_cast<int64_t>(sizeof(uint16_t));
    }
  };

  // Errors: the operating system has not that much memory.
  static Result<KvMemory> create(const Shape& shape);
  KvMemory(KvMemory&& other) noexcept;
  KvMemory& operator=(KvMemory&& other) noexcept;
  ~KvMemory();

  const Shape& shape() const { return shape_; }

  // [pages, page_elements] bf16 bits, 64-byte aligned.
  uint16_t* keys(int64_t layer) { return data_ + 2 * layer * stride_; }
  uint16_t* values(int64_t layer) { return data_ + (2 * layer + 1) * stride_; }

  // Copies a whole page of all layers, keys and values. A page's layout mixes its tokens, so that
  // there is no cheaper copy of a few of them; what lies behind the tokens that the copy is taken
  // for is never read (NUM-ATTN).
  void copy_page(int32_t from, int32_t to);

 private:
  KvMemory(const Shape& shape, int64_t stride, std::size_t bytes, uint16_t* data)
      : shape_(shape), stride_(stride), bytes_(bytes), data_(data) {}

  Shape shape_;
  int64_t stride_;     // elements from a layer's keys to its values, and from there to the next layer's keys
  std::size_t bytes_;  // of the mapping; 0: none
  uint16_t* data_;
};

}  // namespace invar
