// SplitMix64: choices that a seed must replay on every machine: tests, the plan of `invar verify`. The noise of results
// is NUM-PHILOX instead.
// Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
#pragma once

#include <cstdint>

namespace invar {

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace invar
