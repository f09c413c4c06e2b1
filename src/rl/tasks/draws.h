// The draws of one problem of a task: a stream of NUM-PHILOX words, exactly uniform over any range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "numerics/philox.h"

namespace invar {

class Draws {
 public:
  explicit Draws(uint64_t seed) : seed_(seed) {}

  uint64_t next() { return derive_seed(seed_, count_++); }

  // 0 .. n - 1, n >= 1: words beyond the last multiple of n are drawn again.
  uint64_t below(uint64_t n) {
    INVAR_CHECK(n >= 1, "n = {}", n);
    const uint64_t excess = (UINT64_MAX % n + 1) % n;  // 2^64 mod n
    uint64_t word;
    do word = next();
    while (word > UINT64_MAX - excess);
    return word % n;
  }

  // low .. high, both included.
  int64_t between(int64_t low, int64_t high) {
    INVAR_CHECK(low <= high, "{} .. {}", low, high);
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t seed_;
  uint64_t count_ = 0;
};

}  // namespace invar
