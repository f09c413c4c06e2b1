// Scores countdown answers: reads the expression, bounded and exact.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "rl/rewards/rational.h"

namespace invar {

struct Expression {
  Rational value;
  std::vector<int64_t> numbers;  // as they stand in it
};

// Integers, + - * / (also the signs for times and division, and \times, \div, \cdot), parentheses; nothing else, at
// most 1024 bytes, 32 levels deep. Nothing for any other text, a division by zero, or values beyond 64 bits.
std::optional<Expression> parse_expression(std::string_view text);

struct CountdownOptions {
  float format_reward =
      0.1f;  // for an expression that is well-formed but wrong. Source: TinyZero's countdown score
};

// 1 where the answer has the target's value and uses each number exactly once. The answer is the last
// <answer>...</answer> of the response, or its last \boxed{}, or its last line with text; of "a = b" the part before
// the sign.
float countdown_reward(std::string_view response, std::span<const int64_t> numbers, int64_t target,
                       const CountdownOptions& options = {});

}  // namespace invar
