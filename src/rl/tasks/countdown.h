// The countdown game: make a target from numbers, each used exactly once, with + - * / and parentheses.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace invar {

// All integers in [low, high] that the numbers (1 to 5, positive) can make, ascending. Divisions must come out even
// and intermediate results stay positive, as on television; a target made otherwise counts all the same when it is
// scored.
std::vector<int64_t> reachable_targets(std::span<const int64_t> numbers, int64_t low, int64_t high);

// An expression that makes the target by the same rules, fully parenthesised, or nothing.
std::optional<std::string> solve_countdown(std::span<const int64_t> numbers, int64_t target);

}  // namespace invar
