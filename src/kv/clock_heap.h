// ClockHeap: pages by the logical time of their last use; the least recent one is found in O(1),
// changes are O(log n).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace invar {

// A binary min-heap that knows the place of each page. Nothing allocates after construction.
class ClockHeap {
 public:
  explicit ClockHeap(int64_t pages) : place_(static_cast<std::size_t>(pages), -1) {
    heap_.reserve(static_cast<std::size_t>(pages));
  }

  bool empty() const { return heap_.empty(); }
  int64_t size() const { return static_cast<int64_t>(heap_.size()); }
  bool contains(int32_t page) const { return place_[page] >= 0; }
  int32_t least() const { return heap_.front().page; }
  int64_t clock(int32_t page) const { return heap_[place_[page]].clock; }

  void push(int32_t page, int64_t clock) {
    INVAR_CHECK(!contains(page), "page {} twice", page);
    place_[page] = static_cast<int32_t>(heap_.size());
    heap_.push_back({clock, page});
    up(heap_.size() - 1);
  }

  void remove(int32_t page) {
    INVAR_CHECK(contains(page), "page {}", page);
    const std::size_t place = static_cast<std::size_t>(place_[page]);
    swap(place, heap_.size() - 1);
    heap_.pop_back();
    place_[page] = -1;
    if (place == heap_.size()) return;
    up(place);
    down(place);
  }

  // A later clock for a page that is there.
  void raise(int32_t page, int64_t clock) {
    INVAR_CHECK(contains(page), "page {}", page);
    heap_[place_[page]].clock = clock;
    down(static_cast<std::size_t>(place_[page]));
  }

  // For tests: the heap's order holds and each page knows its place.
  void check() const {
    for (std::size_t i = 0; i < heap_.size(); ++i) {
      INVAR_CHECK(place_[heap_[i].page] == static_cast<int32_t>(i), "page {} at {}", heap_[i].page, i);
      INVAR_CHECK(i == 0 || heap_[(i - 1) / 2].clock <= heap_[i].clock, "heap order at {}", i);
    }
  }

 private:
  struct Entry {
    int64_t clock;
    int32_t page;
  };

  void swap(std::size_t a, std::size_t b) {
    std::swap(heap_[a], heap_[b]);
    place_[heap_[a].page] = static_cast<int32_t>(a);
    place_[heap_[b].page] = static_cast<int32_t>(b);
  }

  void up(std::size_t i) {
    for (; i > 0 && heap_[i].clock < heap_[(i - 1) / 2].clock; i = (i - 1) / 2) swap(i, (i - 1) / 2);
  }

  void down(std::size_t i) {
    for (;;) {
      std::size_t least = i;
      for (std::size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.size(); ++child) {
        if (heap_[child].clock < heap_[least].clock) least = child;
      }
      if (least == i) return;
      swap(i, least);
      i = least;
    }
  }

  std::vector<Entry> heap_;
  std::vector<int32_t> place_;  // [pages]: index in heap_, or -1
};

}  // namespace invar
