#include "rl/rewards/countdown_reward.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "rl/rewards/text_reward.h"

namespace invar {
namespace {

constexpr std::size_t kBytesMax = 1024;
constexpr int kDepthMax = 32;

struct Spelling {
  std::string_view text;
  char operation;
};
constexpr Spelling kSpellings[] = {{"\\times", '*'},  {"\\cdot", '*'},   {"\\div", '/'},
                                   {"\xC3\x97", '*'}, {"\xC3\xB7", '/'}, {"\xE2\x88\x92", '-'}};

// Operators in one spelling, without white space.
std::string plain(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto spelling = std::find_if(std::begin(kSpellings), std::end(kSpellings),
                                       [text](const Spelling& s) { return text.starts_with(s.text); });
    if (spelling != std::end(kSpellings)) {
      out += spelling->operation;
      text.remove_prefix(spelling->text.size());
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    // White space between two digits would make one number of two.
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      if (!out.empty() && out.back() != ' ') out += ' ';
      continue;
    }
    out += c;
  }
  return out;
}

// Recursive descent; every function returns nothing at the first thing that does not fit.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<Expression> parse() {
    const std::optional<Rational> value = sum(0);
    skip_space();
    if (!value || at_ != text_.size()) return std::nullopt;
    return Expression{*value, std::move(numbers_)};
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  // The next character if it is one of these, else 0.
  char accept(std::string_view wanted) {
    skip_space();
    if (at_ == text_.size() || wanted.find(text_[at_]) == std::string_view::npos) return 0;
    return text_[at_++];
  }

  std::optional<Rational> sum(int depth) {
    std::optional<Rational> left = product(depth);
    while (left) {
      const char operation = accept("+-");
      if (operation == 0) break;
      const std::optional<Rational> right = product(depth);
      if (!right) return std::nullopt;
      left = operation == '+' ? add(*left, *right) : subtract(*left, *right);
    }
    return left;
  }

  std::optional<Rational> product(int depth) {
    std::optional<Rational> left = factor(depth);
    while (left) {
      const char operation = accept("*/");
      if (operation == 0) break;
      const std::optional<Rational> right = factor(depth);
      if (!right) return std::nullopt;
      left = operation == '*' ? multiply(*left, *right) : divide(*left, *right);
    }
    return left;
  }

  std::optional<Rational> factor(int depth) {
    if (depth > kDepthMax) return std::nullopt;
    if (accept("(") != 0) {
      const std::optional<Rational> inside = sum(depth + 1);
      if (!inside || accept(")") == 0) return std::nullopt;
      return inside;
    }
    skip_space();
    int64_t number = 0;
    const char* begin = text_.data() + at_;
    if (at_ == text_.size() || *begin < '0' || *begin > '9') return std::nullopt;  // no sign
    const auto [end, code] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (code != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - begin);
    numbers_.push_back(number);
    return Rational::make(number);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<int64_t> numbers_;
};

std::string_view answer_of(std::string_view response) {
  if (const auto tagged = last_answer_tag(response)) return *tagged;
  if (const auto boxed = last_boxed(response)) return *boxed;
  const std::size_t last = response.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return {};
  response = response.substr(0, last + 1);
  const std::size_t line = response.rfind('\n');
  return line == std::string_view::npos ? response : response.substr(line + 1);
}

}  // namespace

std::optional<Expression> parse_expression(std::string_view text) {
  if (text.size() > kBytesMax) return std::nullopt;
  const std::string spelled = plain(text);
  return Parser(spelled).parse();
}

float countdown_reward(std::string_view response, std::span<const int64_t> numbers, int64_t target,
                       const CountdownOptions& options) {
  const std::string_view answer = answer_of(response);
  const std::optional<Expression> expression = parse_expression(answer.substr(0, answer.find('=')));
  if (!expression) return 0.0f;
  std::vector<int64_t> used = expression->numbers, given(numbers.begin(), numbers.end());
  std::sort(used.begin(), used.end());
  std::sort(given.begin(), given.end());
  const bool right = used == given && expression->value == Rational::make(target);
  return right ? 1.0f : options.format_reward;
}

}  // namespace invar
