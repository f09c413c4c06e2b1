// The mode that tiles of a tier run in.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/amx.h"
#include "kernels/cpu/linear_kernels.h"

namespace invar {

// Sets a LinearMode and restores what was there: flush-to-zero and denormals-are-zero, or tiles. For calls through
// function pointers: the files that use it have no floating-point operation of their own, so none can move across the
// change of mode.
class LinearModeScope {
 public:
  explicit LinearModeScope(LinearMode mode) : mode_(mode), saved_(_mm_getcsr()) {
    if (mode == LinearMode::kFlush) _mm_setcsr(saved_ | 0x8040u);
    if (mode == LinearMode::kAmx) amx_begin();
  }
  ~LinearModeScope() {
    if (mode_ == LinearMode::kAmx) amx_end();
    _mm_setcsr(saved_);
  }
  LinearModeScope(const LinearModeScope&) = delete;
  LinearModeScope& operator=(const LinearModeScope&) = delete;

 private:
  LinearMode mode_;
  uint32_t saved_;
};

}  // namespace invar
