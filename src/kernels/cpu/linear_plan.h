// How the drivers of linear() and of its backward divide work and scratch memory.
#pragma once

#include <cstdint>

namespace invar {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t align_to(int64_t a, int64_t multiple) { return ceil_div(a, multiple) * multiple; }
// Scratch memory is cut at cache lines.
inline int64_t align_up(int64_t bytes) { return align_to(bytes, 64); }

struct Range {
  Range(int64_t begin, int64_t end) : begin(begin), end(end) {}
  // Share `index` of `shares` contiguous, nearly equal shares of [0, items).
  Range(int64_t items, int64_t shares, int64_t index)
      : begin(items * index / shares), end(items * (index + 1) / shares) {}
  int64_t size() const { return end - begin; }
  int64_t begin;
  int64_t end;
};

}  // namespace invar
