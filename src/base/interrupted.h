// Interrupted: how what may take long is told to stop.
#pragma once

#include <functional>

namespace invar {

// True: give up, with the error "interrupted". Asked every so often, from any thread; empty: nobody ever asks to stop.
using Interrupted = std::function<bool()>;

inline bool is_interrupted(const Interrupted& interrupted) { return interrupted && interrupted(); }

// Waits are cut into pieces of this length, and the question is asked between them.
inline constexpr int kInterruptedEveryMs = 50;

}  // namespace invar
