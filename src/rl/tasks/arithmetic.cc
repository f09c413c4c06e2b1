#include <fmt/format.h>

#include "rl/tasks/problems.h"

namespace invar {
namespace {

struct Exercise {
  std::string text;
  int64_t value;
};

Exercise sum(Draws& draws, int64_t max) {
  const int64_t a = draws.between(0, max), b = draws.between(0, max);
  return {fmt::format("{} + {}", a, b), a + b};
}

// Not below zero.
Exercise difference(Draws& draws, int64_t max) {
  const int64_t a = draws.between(0, max), b = draws.between(0, a);
  return {fmt::format("{} - {}", a, b), a - b};
}

Exercise product(Draws& draws) {
  const int64_t a = draws.between(2, 9), b = draws.between(10, 99);
  return draws.below(2) == 0 ? Exercise{fmt::format("{} * {}", a, b), a * b}
                             : Exercise{fmt::format("{} * {}", b, a), a * b};
}

Exercise three_operands(Draws& draws) {
  const int64_t a = draws.between(2, 9), b = draws.between(2, 9), c = draws.between(1, 50);
  switch (draws.below(3)) {
    case 0: return {fmt::format("{} + {} * {}", c, a, b), c + a * b};
    case 1: return {fmt::format("{} * {} - {}", a, b, c), a * b - c};
    default: return {fmt::format("{} + {} - {}", c, a * b, b), c + a * b - b};
  }
}

Exercise with_parentheses(Draws& draws) {
  const int64_t a = draws.between(2, 30), b = draws.between(2, 30), c = draws.between(2, 9),
                d = draws.between(1, 99);
  switch (draws.below(3)) {
    case 0: return {fmt::format("({} + {}) * {} - {}", a, b, c, d), (a + b) * c - d};
    case 1: return {fmt::format("{} * ({} - {}) + {}", c, a, b, d), c * (a - b) + d};
    default: return {fmt::format("({} - {}) * ({} + {})", a, b, c, d), (a - b) * (c + d)};
  }
}

Exercise draw_exercise(Draws& draws, int64_t difficulty) {
  switch (difficulty) {
    case 1: return sum(draws, 9);
    case 2: return draws.below(2) == 0 ? sum(draws, 99) : difference(draws, 99);
    case 3:
      switch (draws.below(3)) {
        case 0: return sum(draws, 999);
        case 1: return difference(draws, 999);
        default: return product(draws);
      }
    case 4: return three_operands(draws);
    default: return with_parentheses(draws);
  }
}

}  // namespace

Problem draw_arithmetic(Draws& draws, int64_t difficulty) {
  const Exercise exercise = draw_exercise(draws, difficulty);
  return {.question = fmt::format("What is {}? Reply with the number only.", exercise.text),
          .label = std::to_string(exercise.value)};
}

}  // namespace invar
