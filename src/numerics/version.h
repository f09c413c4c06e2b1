// The version of the numerics contract (docs/numerics.md). A change of any result bit raises it.
#pragma once

namespace invar {

inline constexpr int kNumericsVersion = 1;

}  // namespace invar
