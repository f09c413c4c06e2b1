// The clock, for progress and rates only: no decision that reaches a result may read it.
#pragma once

#include <chrono>

namespace invar {

// Seconds since an arbitrary moment; never goes back.
inline double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds since 1970, as the machine's clock has it; for logs that people read. It may go back.
inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace invar
