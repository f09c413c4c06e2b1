#include "rl/rewards/boxed_reward.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "rl/rewards/characters.h"
#include "rl/rewards/text_reward.h"

namespace invar {
namespace {

constexpr std::size_t kAnswerBytesMax = 4096;  // longer ones are compared as they are

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

struct Replacement {
  std::string_view from, to;
};

// In this order at each place: longer spellings before their beginnings.
constexpr Replacement kReplacements[] = {{"\\dfrac", "\\frac"},
                                         {"\\tfrac", "\\frac"},
                                         {"\\cfrac", "\\frac"},
                                         {"\\left", ""},
                                         {"\\right", ""},
                                         {"^{\\circ}", ""},
                                         {"^\\circ", ""},
                                         {"\\degree", ""},
                                         {"\\%", ""},
                                         {"%", ""},
                                         {"\\$", ""},
                                         {"$", ""},
                                         {"\\!", ""},
                                         {"\\,", ""},
                                         {"\\;", ""},
                                         {"\\:", ""},
                                         {"\\ ", ""},
                                         {"\\quad", ""},
                                         {"~", ""},
                                         {"\xE2\x88\x92", "-"},
                                         {"\\cdot", "*"},
                                         {"\\times", "*"},
                                         {"{,}", ","},
                                         {"\xC2\xB0", ""}};

// A command such as \left ends where its letters end: \leftarrow is another one.
bool matches(std::string_view text, std::string_view from) {
  if (!text.starts_with(from)) return false;
  const bool command = from.size() > 2 && from[0] == '\\' && is_letter(from.back());
  return !command || text.size() == from.size() || !is_letter(text[from.size()]);
}

std::string replaced(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto rule = std::find_if(std::begin(kReplacements), std::end(kReplacements),
                                   [text](const Replacement& r) { return matches(text, r.from); });
    if (rule != std::end(kReplacements)) {
      out += rule->to;
      text.remove_prefix(rule->from.size());
      continue;
    }
    const char c = text.front();
    text.remove_prefix(1);
    if (c != ' ' && (c < '\t' || c > '\r')) out += c;
  }
  return out;
}

// The end of the group that begins with "{" at text[open], or npos.
std::size_t group_end(std::string_view text, std::size_t open) {
  int64_t depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

// \text{cm} and the like: after a number it is a unit and goes; elsewhere its contents stay.
std::string without_text(std::string_view text) {
  constexpr std::string_view kCommands[] = {"\\text{", "\\mbox{", "\\textbf{", "\\mathrm{", "\\textrm{"};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto command = std::find_if(std::begin(kCommands), std::end(kCommands),
                                      [&](std::string_view c) { return text.substr(at).starts_with(c); });
    const std::size_t open = command == std::end(kCommands) ? 0 : at + command->size() - 1;
    const std::size_t close = open == 0 ? std::string_view::npos : group_end(text, open);
    if (close == std::string_view::npos) {
      out += text[at++];
      continue;
    }
    const bool unit = !out.empty() && (is_digit(out.back()) || out.back() == '}');
    if (!unit) out += text.substr(open + 1, close - open - 1);
    at = close + 1;
    // A power of the unit: cm^2, cm^{2}.
    if (unit && at + 1 < text.size() && text[at] == '^') {
      const std::size_t power = text[at + 1] == '{' ? group_end(text, at + 1) : at + 1;
      if (power != std::string_view::npos) at = power + 1;
    }
  }
  return out;
}

// Arguments in braces: \frac12 -> \frac{1}{2}, \sqrt2 -> \sqrt{2}.
std::string with_braces(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const int arguments = rest.starts_with("\\frac") ? 2 : rest.starts_with("\\sqrt") ? 1 : 0;
    if (arguments == 0) {
      out += text[at++];
      continue;
    }
    out += rest.substr(0, 5);
    at += 5;
    for (int i = 0; i < arguments && at < text.size(); ++i) {
      if (!is_digit(text[at]) && !is_letter(text[at])) {
        const std::size_t close = text[at] == '{' ? group_end(text, at) : std::string_view::npos;
        if (close == std::string_view::npos) break;
        out += text.substr(at, close + 1 - at);
        at = close + 1;
      } else {
        out += '{';
        out += text[at++];
        out += '}';
      }
    }
  }
  return out;
}

// a/b of integers -> \frac{a}{b}.
std::string with_fraction(std::string text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return text;
  const std::string_view view = text;
  const bool negative = view.starts_with('-');
  const std::string_view above = view.substr(negative ? 1 : 0, slash - (negative ? 1 : 0));
  const std::string_view below = view.substr(slash + 1);
  if (!is_digits(above) || !is_digits(below)) return text;
  std::string out = negative ? "-\\frac{" : "\\frac{";
  out += above;
  out += "}{";
  out += below;
  out += '}';
  return out;
}

std::optional<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "1,234,567" -> "1234567"; other texts as they are.
std::string without_thousands(std::string_view text) {
  const std::size_t first = text.find(',');
  if (first == std::string_view::npos || first == 0 || first > 3 || !is_digits(text.substr(0, first)))
    return std::string(text);
  std::string out(text.substr(0, first));
  std::size_t at = first;
  while (at < text.size() && text[at] == ',') {
    const std::string_view group = text.substr(at + 1, 3);
    if (group.size() != 3 || !is_digits(group)) return std::string(text);
    out += group;
    at += 4;
  }
  if (at < text.size() && text[at] != '.') return std::string(text);
  return out + std::string(text.substr(at));
}

// Parts of "(a,b)", "[a,b)", ... at commas outside all brackets; nothing for other texts.
std::optional<std::vector<std::string_view>> list_parts(std::string_view text) {
  if (text.size() < 2 || (text.front() != '(' && text.front() != '[') ||
      (text.back() != ')' && text.back() != ']'))
    return std::nullopt;
  std::vector<std::string_view> parts;
  std::size_t begin = 1;
  int64_t depth = 0;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const char c = text[i];
    if (c == '(' || c == '[' || c == '{') ++depth;
    if ((c == ')' || c == ']' || c == '}') && --depth < 0) return std::nullopt;
    if (c == ',' && depth == 0) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin, text.size() - 1 - begin));
  return parts;
}

bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const std::optional<Rational> left = answer_value(a), right = answer_value(b);
  return left && right && *left == *right;
}

}  // namespace

std::string normalised_answer(std::string_view answer) {
  if (answer.size() > kAnswerBytesMax) return std::string(answer);
  std::string text = with_braces(without_text(replaced(answer)));
  // "x=5": a short name alone before one equals sign.
  if (const std::size_t equals = text.find('=');
      equals == 1 && is_letter(text[0]) && text.find('=', equals + 1) == std::string::npos)
    text.erase(0, 2);
  if (text.size() > 1 && text.back() == '.') text.pop_back();
  if (text.starts_with('+')) text.erase(0, 1);
  if (text.starts_with('.') && text.size() > 1 && is_digit(text[1])) text.insert(0, "0");
  if (text.starts_with("-.")) text.insert(1, "0");
  return with_fraction(std::move(text));
}

std::optional<Rational> answer_value(std::string_view normalised) {
  const bool negative = normalised.starts_with('-');
  std::string_view text = negative ? normalised.substr(1) : normalised;
  std::optional<Rational> value;
  if (constexpr std::string_view kFrac = "\\frac{"; text.starts_with(kFrac) && text.ends_with('}')) {
    const std::size_t middle = text.find("}{");
    if (middle == std::string_view::npos) return std::nullopt;
    const auto above = integer(text.substr(kFrac.size(), middle - kFrac.size()));
    const auto below = integer(text.substr(middle + 2, text.size() - middle - 3));
    if (above && below) value = Rational::make(*above, *below);
  } else {
    const std::string digits = without_thousands(text);
    const std::size_t point = std::min(digits.find('.'), digits.size());
    const std::string_view view = digits;
    const std::string_view whole = view.substr(0, point),
                           decimals = view.substr(std::min(point + 1, view.size()));
    if (!is_digits(whole) || decimals.size() > 18 || (!decimals.empty() && !is_digits(decimals)))
      return std::nullopt;
    int64_t scale = 1;
    for (std::size_t i = 0; i < decimals.size(); ++i) scale *= 10;
    const auto numerator = integer(std::string(whole) + std::string(decimals));
    if (numerator) value = Rational::make(*numerator, scale);
  }
  if (!value || !negative) return value;
  return Rational::make(-value->numerator(), value->denominator());
}

bool answers_equivalent(std::string_view a, std::string_view b) {
  const std::string left = normalised_answer(a), right = normalised_answer(b);
  if (same_value(left, right)) return true;
  const auto left_parts = list_parts(left), right_parts = list_parts(right);
  if (!left_parts || !right_parts || left_parts->size() != right_parts->size()) return false;
  if (left.front() != right.front() || left.back() != right.back()) return false;
  for (std::size_t i = 0; i < left_parts->size(); ++i)
    if (!same_value(normalised_answer((*left_parts)[i]), normalised_answer((*right_parts)[i]))) return false;
  return true;
}

float boxed_reward(std::string_view response, std::string_view label) {
  const std::optional<std::string_view> answer = last_boxed(response);
  if (!answer) return 0.0f;
  return answers_equivalent(*answer, last_boxed(label).value_or(label)) ? 1.0f : 0.0f;
}

}  // namespace invar
