#include "rl/rewards/text_reward.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "io/quote.h"
#include "rl/rewards/characters.h"

namespace invar {
namespace {

std::string normalised(std::string_view text, const ExactOptions& options) {
  text = trimmed(text);
  if (options.ignore_final_period && text.ends_with('.')) text = trimmed(text.substr(0, text.size() - 1));
  std::string out;
  for (const char c : text) {
    if (options.ignore_spaces && is_space(c)) continue;
    out += options.ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

// U+2212, which models write for a minus.
constexpr std::string_view kMinusSign = "\xE2\x88\x92";

// One number that begins with the digit (or ".5") at text[at]; its text without commas, and where it ends.
struct NumberText {
  std::string digits;
  std::size_t end;
};

// "," and exactly three digits.
bool is_comma_group(std::string_view text, std::size_t at) {
  if (at + 4 > text.size() || text[at] != ',') return false;
  if (!is_digit(text[at + 1]) || !is_digit(text[at + 2]) || !is_digit(text[at + 3])) return false;
  return at + 4 == text.size() || !is_digit(text[at + 4]);
}

NumberText scan_number(std::string_view text, std::size_t at) {
  std::string out;
  const std::size_t begin = at;
  while (at < text.size() && is_digit(text[at])) out += text[at++];
  if (at - begin <= 3) {
    while (is_comma_group(text, at)) {
      out.append(text, at + 1, 3);
      at += 4;
    }
  }
  if (at + 1 < text.size() && text[at] == '.' && is_digit(text[at + 1])) {
    out += text[at++];
    while (at < text.size() && is_digit(text[at])) out += text[at++];
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::size_t digit = at + 1;
    if (digit < text.size() && (text[digit] == '+' || text[digit] == '-')) ++digit;
    if (digit < text.size() && is_digit(text[digit])) {
      out += 'e';
      if (text[at + 1] == '-') out += '-';
      for (at = digit; at < text.size() && is_digit(text[at]); ++at) out += text[at];
    }
  }
  return {std::move(out), at};
}

bool is_negative(std::string_view text, std::size_t begin) {
  std::size_t sign = begin;
  if (begin >= 1 && text[begin - 1] == '-') {
    sign = begin - 1;
  } else if (begin >= 3 && text.substr(begin - 3, 3) == kMinusSign) {
    sign = begin - 3;
  } else {
    return false;
  }
  if (sign == 0) return true;
  const char before = text[sign - 1];
  return !is_digit(before) && !is_letter(before) && before != ')' && before != ']' && before != '}';
}

std::optional<double> value_of(const std::string& digits, bool negative) {
  double value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value))
    return std::nullopt;
  return negative ? -value : value;
}

// The whole text is one number.
std::optional<double> only_number(std::string_view text) {
  text = trimmed(text);
  std::size_t begin = 0;
  if (text.starts_with('-') || text.starts_with('+')) begin = 1;
  if (text.starts_with(kMinusSign)) begin = kMinusSign.size();
  if (begin >= text.size() || (!is_digit(text[begin]) && text[begin] != '.')) return std::nullopt;
  const NumberText number = scan_number(text, begin);
  if (number.end != text.size() || number.digits.empty()) return std::nullopt;
  return value_of(number.digits, is_negative(text, begin));
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size()))
    ++count;
  return count;
}

}  // namespace

float exact_reward(std::string_view response, std::string_view label, const ExactOptions& options) {
  return normalised(response, options) == normalised(label, options) ? 1.0f : 0.0f;
}

std::optional<double> last_number(std::string_view text) {
  std::optional<double> last;
  for (std::size_t at = 0; at < text.size();) {
    const bool fraction = text[at] == '.' && at + 1 < text.size() && is_digit(text[at + 1]);
    if (!is_digit(text[at]) && !fraction) {
      ++at;
      continue;
    }
    const NumberText number = scan_number(text, at);
    if (const auto value = value_of(number.digits, is_negative(text, at))) last = value;
    at = number.end;
  }
  return last;
}

Result<float> numeric_reward(std::string_view response, std::string_view label,
                             const NumericOptions& options) {
  const std::optional<double> expected = only_number(label);
  if (!expected) return error("label: expected one number, found {}", quote(label));
  const std::optional<double> found = last_number(response);
  if (!found) return 0.0f;
  const double tolerance =
      std::max(options.absolute_tolerance, options.relative_tolerance * std::abs(*expected));
  return std::abs(*found - *expected) <= tolerance ? 1.0f : 0.0f;
}

std::optional<std::string_view> last_boxed(std::string_view text) {
  struct Open {
    std::size_t begin;  // after the brace
    bool boxed;
  };
  std::vector<Open> open;
  std::optional<std::string_view> best;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const std::size_t command = rest.starts_with("\\boxed") ? 6 : rest.starts_with("\\fbox") ? 5 : 0;
    if (command != 0) {
      const std::size_t argument = std::min(text.find_first_not_of(' ', at + command), text.size());
      if (argument < text.size() && text[argument] == '{') {
        open.push_back({argument + 1, true});
      } else if (argument > at + command) {
        const std::size_t end = std::min(text.find_first_of(" \t\r\n$", argument), text.size());
        if (end > argument) best = text.substr(argument, end - argument);
      }
      at = std::min(argument + 1, text.size());
    } else if (rest.front() == '\\') {
      at += 2;  // an escaped brace is none
    } else {
      if (rest.front() == '{') open.push_back({at + 1, false});
      if (rest.front() == '}' && !open.empty()) {
        if (open.back().boxed) best = text.substr(open.back().begin, at - open.back().begin);
        open.pop_back();
      }
      ++at;
    }
  }
  return best;
}

std::optional<std::string_view> last_answer_tag(std::string_view text) {
  constexpr std::string_view kOpen = "<answer>", kClose = "</answer>";
  const std::size_t close = text.rfind(kClose);
  if (close == std::string_view::npos) return std::nullopt;
  const std::size_t open = text.substr(0, close).rfind(kOpen);
  if (open == std::string_view::npos) return std::nullopt;
  return text.substr(open + kOpen.size(), close - open - kOpen.size());
}

float think_answer_format_reward(std::string_view response) {
  std::size_t at = 0;
  const std::string_view text = trimmed(response);
  std::size_t position[4];
  constexpr std::string_view kTags[] = {"<think>", "</think>", "<answer>", "</answer>"};
  for (int i = 0; i < 4; ++i) {
    if (count_of(text, kTags[i]) != 1) return 0.0f;
    position[i] = text.find(kTags[i], at);
    if (position[i] == std::string_view::npos) return 0.0f;
    at = position[i] + kTags[i].size();
  }
  const std::size_t between = position[1] + kTags[1].size();
  const bool whole = position[0] == 0 && at == text.size();
  return whole && trimmed(text.substr(between, position[2] - between)).empty() ? 1.0f : 0.0f;
}

Result<float> overlong_penalty(int64_t tokens, const OverlongOptions& options) {
  if (options.buffer_tokens < 1 || options.buffer_tokens > options.tokens_max)
    return error("overlong buffer: expected 1 to {} tokens, found {}", options.tokens_max,
                 options.buffer_tokens);
  const int64_t begin = options.tokens_max - options.buffer_tokens;
  if (tokens <= begin) return 0.0f;
  if (tokens >= options.tokens_max) return -1.0f;
  return static_cast<float>(-static_cast<double>(tokens - begin) /
                            static_cast<double>(options.buffer_tokens));
}

float length_penalty(int64_t tokens, int64_t target) {
  INVAR_CHECK(target >= 1 && tokens >= 0, "target = {}, tokens = {}", target, tokens);
  const double off = std::abs(static_cast<double>(tokens) - static_cast<double>(target));
  return static_cast<float>(-std::min(1.0, off / static_cast<double>(target)));
}

}  // namespace invar
