#include "rl/tasks/countdown.h"

#include <fmt/format.h>

#include <algorithm>

#include "rl/tasks/problems.h"

namespace invar {
namespace {

constexpr int kNumbersMax = 5;
constexpr int64_t kValueMax = 1 << 24;  // of intermediate results: products stay far from overflow

struct Step {
  int64_t left, right, value;
  char operation;
};

// a >= b > 0: the results of the four operations that the rules allow.
int possible_steps(int64_t a, int64_t b, Step (&steps)[4]) {
  int count = 0;
  if (a + b <= kValueMax) steps[count++] = {a, b, a + b, '+'};
  if (a > b) steps[count++] = {a, b, a - b, '-'};
  if (b > 1 && a <= kValueMax / b) steps[count++] = {a, b, a * b, '*'};
  if (b > 1 && a % b == 0) steps[count++] = {a, b, a / b, '/'};
  // Times and by one: only its use of a number matters, and one of both is enough.
  if (b == 1) steps[count++] = {a, b, a, '*'};
  return count;
}

struct Values {
  int64_t value[kNumbersMax];
  int count;
};

// The values without i and j (i < j), and one more at the end.
Values combined(const Values& values, int i, int j, int64_t result) {
  Values out{.value = {}, .count = 0};
  for (int k = 0; k < values.count; ++k)
    if (k != i && k != j) out.value[out.count++] = values.value[k];
  out.value[out.count++] = result;
  return out;
}

// Calls visit(result) for each way to combine all values; stops when it returns true.
template <class Visit>
bool explore(const Values& values, std::vector<Step>& trail, const Visit& visit) {
  if (values.count == 1) return visit(values.value[0]);
  for (int i = 0; i < values.count; ++i) {
    for (int j = i + 1; j < values.count; ++j) {
      Step steps[4];
      const int count = possible_steps(std::max(values.value[i], values.value[j]),
                                       std::min(values.value[i], values.value[j]), steps);
      for (int s = 0; s < count; ++s) {
        trail.push_back(steps[s]);
        if (explore(combined(values, i, j, steps[s].value), trail, visit)) return true;
        trail.pop_back();
      }
    }
  }
  return false;
}

Values initial(std::span<const int64_t> numbers) {
  INVAR_CHECK(!numbers.empty() && numbers.size() <= kNumbersMax, "{} numbers", numbers.size());
  Values values{.value = {}, .count = 0};
  for (const int64_t number : numbers) {
    INVAR_CHECK(number > 0 && number <= kValueMax, "number {}", number);
    values.value[values.count++] = number;
  }
  return values;
}

// Replays the steps on (value, text) pairs: any operand of the right value will do.
std::string written(std::span<const int64_t> numbers, std::span<const Step> trail) {
  struct Term {
    int64_t value;
    std::string text;
  };
  std::vector<Term> terms;
  for (const int64_t number : numbers) terms.push_back({number, std::to_string(number)});
  const auto take = [&terms](int64_t value) {
    const auto found =
        std::find_if(terms.begin(), terms.end(), [value](const Term& t) { return t.value == value; });
    INVAR_CHECK(found != terms.end(), "no term {}", value);
    std::string text = std::move(found->text);
    terms.erase(found);
    return text;
  };
  for (const Step& step : trail) {
    const std::string left = take(step.left), right = take(step.right);
    terms.push_back({step.value, fmt::format("({} {} {})", left, step.operation, right)});
  }
  return terms[0].text;
}

}  // namespace

std::vector<int64_t> reachable_targets(std::span<const int64_t> numbers, int64_t low, int64_t high) {
  std::vector<int64_t> targets;
  std::vector<Step> trail;
  explore(initial(numbers), trail, [&](int64_t value) {
    if (value >= low && value <= high) targets.push_back(value);
    return false;
  });
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

std::optional<std::string> solve_countdown(std::span<const int64_t> numbers, int64_t target) {
  std::vector<Step> trail;
  if (!explore(initial(numbers), trail, [target](int64_t value) { return value == target; }))
    return std::nullopt;
  return written(numbers, trail);
}

Problem draw_countdown(Draws& draws, int64_t difficulty) {
  struct Size {
    int numbers;
    int64_t number_max, target_max;
  };
  constexpr Size kSizes[] = {{3, 9, 50}, {3, 50, 100}, {4, 50, 100}, {5, 50, 999}};
  const Size size = kSizes[difficulty - 1];
  std::vector<int64_t> numbers, targets;
  do {
    numbers.clear();
    for (int i = 0; i < size.numbers; ++i) numbers.push_back(draws.between(1, size.number_max));
    targets = reachable_targets(numbers, 1, size.target_max);
  } while (targets.empty());
  const int64_t target = targets[draws.below(targets.size())];
  Problem problem{.question = fmt::format("Make the number {} from the numbers {}. Use each of them exactly "
                                          "once, with +, -, *, / and parentheses. "
                                          "Write the expression between <answer> and </answer>.",
                                          target, fmt::join(numbers, ", ")),
                  .label = std::to_string(target)};
  problem.metadata["numbers"] = numbers;
  problem.metadata["target"] = target;
  return problem;
}

}  // namespace invar
