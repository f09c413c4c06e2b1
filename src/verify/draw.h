// Draw: the random choices of a proof, all from one printed seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/split_mix.h"

namespace invar {

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}

  uint64_t next() { return random_.next(); }
  // 0 .. n - 1
  uint64_t below(uint64_t n) { return next() % n; }
  template <class T>
  const T& pick(const std::vector<T>& values) {
    return values[static_cast<std::size_t>(below(values.size()))];
  }
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[static_cast<std::size_t>(below(i))]);
  }

 private:
  SplitMix64 random_;
};

}  // namespace invar
