// The flush of NUM-P2 around the tiles of a tier.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace invar {

// Flush-to-zero and denormals-are-zero of NUM-P2, for calls through function pointers. The files that use it have no
// floating-point operation of their own, so none can move across the change of mode.
class FlushScope {
 public:
  explicit FlushScope(bool flush) : saved_(_mm_getcsr()) {
    if (flush) _mm_setcsr(saved_ | 0x8040u);
  }
  ~FlushScope() { _mm_setcsr(saved_); }
  FlushScope(const FlushScope&) = delete;
  FlushScope& operator=(const FlushScope&) = delete;

 private:
  uint32_t saved_;
};

}  // namespace invar
