// Filters on numbers. Source: jinja2 3.1 filters.py; Python's int(), float() and round().
#include "text/jinja/numbers.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {

// The text without spaces around it and without single underscores between digits; nullopt if it has others.
static std::optional<std::string> plain_number(std::string_view text) {
  text = strip_right(strip_left(text, {}, true), {}, true);
  std::string plain;
  const auto alnum = [](char c) { return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'); };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      plain += text[i];
    } else if (i == 0 || i + 1 >= text.size() || !alnum(text[i - 1]) || !alnum(text[i + 1])) {
      return std::nullopt;
    }
  }
  if (plain.empty()) return std::nullopt;
  return plain;
}

std::optional<double> parse_float(std::string_view text) {
  auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  if ((*plain)[0] == '+') plain->erase(0, 1);
  if (plain->empty() || (*plain)[0] == '+') return std::nullopt;
  const bool below_zero = (*plain)[0] == '-';
  if (plain->find('(') != std::string::npos) return std::nullopt;  // from_chars reads nan(...)
  double value = 0;
  const char* end = plain->data() + plain->size();
  const auto parsed = std::from_chars(plain->data(), end, value);
  if (parsed.ptr != end) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) {  // too large or too small: the exponent tells
    const size_t e = plain->find_first_of("eE");
    const bool tiny = (e != std::string::npos && (*plain)[e + 1] == '-') ||
                      plain->find_first_of("123456789") > plain->find('.');
    value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    return below_zero ? -value : value;
  }
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_integer(std::string_view text, int base) {
  auto plain = plain_number(text);
  if (!plain) return std::nullopt;
  bool below_zero = false;
  if ((*plain)[0] == '+' || (*plain)[0] == '-') {
    below_zero = (*plain)[0] == '-';
    plain->erase(0, 1);
  }
  if (plain->size() > 2 && (*plain)[0] == '0') {
    const char kind = static_cast<char>((*plain)[1] | 32);
    const int prefixed = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (prefixed && (base == prefixed || base == 0)) {
      base = prefixed;
      plain->erase(0, 2);
    }
  }
  if (base == 0) base = 10;
  if (plain->empty() || (*plain)[0] == '-' || (*plain)[0] == '+') return std::nullopt;
  const std::string digits = below_zero ? "-" + *plain : *plain;
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value, base);
  if (parsed.ptr != end) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) fail("the number {:.40} does not fit 64 bits", digits);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

namespace {

std::optional<int64_t> truncate(double value) {
  if (std::isnan(value)) return std::nullopt;
  if (!(std::fabs(value) < 9223372036854775808.0)) fail("the number {} does not fit 64 bits", value);
  return static_cast<int64_t>(value);
}

Value to_integer(Call& call) {
  const Value fallback = call.has(0) ? call[0] : Value(0);
  const Value& self = call.self;
  if (self.is_undefined()) fail("{}", self.undefined_reason());
  if (self.is_integer()) return self.integer();
  std::optional<int64_t> result;
  if (self.is_float()) result = truncate(self.number());
  if (self.is_string()) {
    const int64_t base = call.integer(1, 10);
    if (base == 0 || (base >= 2 && base <= 36)) result = parse_integer(self.string(), static_cast<int>(base));
    if (!result) {
      const auto number = parse_float(self.string());
      if (number && std::isfinite(*number)) result = truncate(*number);
    }
  }
  return result ? Value(*result) : fallback;
}

Value to_float(Call& call) {
  const Value fallback = call.has(0) ? call[0] : Value(0.0);
  if (call.self.is_undefined()) fail("{}", call.self.undefined_reason());
  if (call.self.is_number()) return call.self.number();
  if (!call.self.is_string()) return fallback;
  const auto number = parse_float(call.self.string());
  return number ? Value(*number) : fallback;
}

Value absolute(Call& call) {
  if (call.self.is_float()) return std::fabs(call.self.number());
  if (call.self.is_undefined()) fail("{}", call.self.undefined_reason());
  if (!call.self.is_integer()) fail("abs needs a number, found '{}'", type_name(call.self));
  return call.self.integer() < 0 ? negative(call.self) : Value(call.self.integer());
}

// Python's round(): correctly rounded in decimal, ties to even.
double round_decimal(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 330) return value;
  if (digits < 0) {
    const double power = std::pow(10.0, static_cast<double>(-digits));
    return digits < -308 ? std::copysign(0.0, value) : std::nearbyint(value / power) * power;
  }
  char buffer[700];
  const auto written = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed,
                                     static_cast<int>(digits));
  double rounded = value;
  std::from_chars(buffer, written.ptr, rounded);
  return rounded;
}

Value round_integer(int64_t value, int64_t digits) {
  if (digits >= 0) return value;
  if (digits < -18) return 0;
  int64_t power = 1;
  for (int64_t i = 0; i < -digits; ++i) power *= 10;
  if (value < INT64_MIN + power || value > INT64_MAX - power) fail("round does not fit 64 bits");
  const int64_t rest = ((value % power) + power) % power;
  const int64_t floor = value - rest;
  const bool up = rest > power - rest || (rest == power - rest && (floor / power) % 2 != 0);
  return up ? floor + power : floor;
}

Value round(Call& call) {
  const int64_t digits = call.integer(0, 0);
  const std::string method = call.has(1) ? call.text(1) : "common";
  if (method != "common" && method != "ceil" && method != "floor") fail("round knows common, ceil and floor");
  if (call.self.is_undefined()) fail("{}", call.self.undefined_reason());
  if (!call.self.is_number()) fail("round needs a number, found '{}'", type_name(call.self));
  if (method == "common")
    return call.self.is_integer() ? round_integer(call.self.integer(), digits)
                                  : Value(round_decimal(call.self.number(), digits));
  if (digits > 300 || digits < -300) fail("round takes a precision from -300 to 300");
  const double power = std::pow(10.0, static_cast<double>(digits));
  const double scaled = call.self.number() * power;
  if (!std::isfinite(scaled)) fail("round of a number that is not finite");
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power;
}

constexpr Builtin kNumberFilters[] = {
    {"int", "?default,base", to_integer},
    {"float", "?default", to_float},
    {"abs", "", absolute},
    {"round", "?precision,method", round},
};

}  // namespace

std::span<const Builtin> number_filters() { return kNumberFilters; }

}  // namespace invar::jinja
