#include "text/jinja/format.h"

#include <charconv>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/repr.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

constexpr int kDigitsMax = 400;  // of a precision; a double has no more to tell

// One field, whichever syntax asked for it.
struct Field {
  std::string fill = " ";
  char align = 0;  // < > ^ =, 0: the type's own
  char sign = '-';
  bool alternate = false, grouped = false;
  int64_t width = 0;
  int precision = -1;
  char type = 0;
};

std::string float_digits(double value, const Field& field) {
  const char type = static_cast<char>(field.type | 32);
  const int precision = field.precision < 0 ? 6 : field.precision;
  if (!std::isfinite(value)) return std::string(std::isnan(value) ? "nan" : "inf");
  std::string buffer(static_cast<size_t>(350 + precision), '\0');
  const auto format = type == 'f'   ? std::chars_format::fixed
                      : type == 'e' ? std::chars_format::scientific
                                    : std::chars_format::general;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format,
                                 format == std::chars_format::general ? std::max(precision, 1) : precision)
                       .ptr;
  buffer.resize(static_cast<size_t>(end - buffer.data()));
  return buffer;
}

std::string integer_digits(uint64_t value, char type, bool alternate) {
  switch (type) {
    case 'x': return alternate ? fmt::format("{:#x}", value) : fmt::format("{:x}", value);
    case 'X': return alternate ? fmt::format("{:#X}", value) : fmt::format("{:X}", value);
    case 'o': return alternate ? fmt::format("0o{:o}", value) : fmt::format("{:o}", value);
    case 'b': return alternate ? fmt::format("{:#b}", value) : fmt::format("{:b}", value);
    default: return fmt::format("{}", value);
  }
}

std::string grouped(const std::string& digits) {
  size_t whole = digits.find_first_not_of("0123456789");
  if (whole == std::string::npos) whole = digits.size();
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i && (whole - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out + digits.substr(whole);
}

void pad(Text& out, const Field& field, std::string_view sign, std::string_view body, char align) {
  const int64_t room = field.width - code_points(body) - static_cast<int64_t>(sign.size());
  const int64_t left = room <= 0 ? 0 : align == '>' ? room : align == '^' ? room / 2 : 0;
  if (align != '=') out.repeat(field.fill, left);
  out << sign;
  if (align == '=') out.repeat(field.fill, room);
  out << body;
  if (room > 0 && align != '=') out.repeat(field.fill, room - left);
}

void number_field(Text& out, const Field& field, const Value& value) {
  const bool is_float =
      value.is_float() || std::string_view("fFeEgG").find(field.type) != std::string_view::npos;
  std::string digits;
  bool below_zero = false;
  if (is_float && field.type == 0 && field.precision < 0) {
    digits = float_repr(std::fabs(value.number()));
    below_zero = std::signbit(value.number());
  } else if (is_float) {
    if (field.type == 0) fail("a precision needs a type, as in .2f");
    digits = float_digits(std::fabs(value.number()), field);
    below_zero = std::signbit(value.number()) && !std::isnan(value.number());
  } else {
    below_zero = value.integer() < 0;
    const auto bits = static_cast<uint64_t>(value.integer());
    digits = integer_digits(below_zero ? 0 - bits : bits, field.type, field.alternate);
  }
  if (field.type == 'F' || field.type == 'E' || field.type == 'G') digits = to_upper(digits);
  if (field.grouped) digits = grouped(digits);
  const std::string_view sign = below_zero ? "-" : field.sign == '+' ? "+" : field.sign == ' ' ? " " : "";
  pad(out, field, sign, digits, field.align ? field.align : '>');
}

void text_field(Text& out, const Field& field, const std::string& text, char align) {
  std::string_view body = text;
  if (field.precision >= 0) body = body.substr(0, byte_offset(body, field.precision));
  pad(out, field, "", body, align);
}

int64_t read_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = number * 10 + (text[at++] - '0');
    if (number > INT32_MAX) fail("a width of a format is too large");
  }
  return number;
}

int checked_precision(int64_t precision) {
  if (precision > kDigitsMax) fail("a precision of a format is above {}", kDigitsMax);
  return static_cast<int>(precision);
}

}  // namespace

std::string format_percent(Budget& budget, const std::string& format, const Value& values) {
  Text out(budget);
  const bool is_tuple = values.is_sequence() && values.sequence().type == Sequence::Type::kTuple;
  size_t used = 0;
  const auto next_value = [&]() -> Value {
    const size_t count = is_tuple ? values.sequence().items.size() : 1;
    if (used >= count) fail("the format has more fields than the {} values given", count);
    return is_tuple ? values.sequence().items[used++] : (++used, values);
  };
  for (size_t at = 0; at < format.size();) {
    const size_t percent = std::min(format.find('%', at), format.size());
    out << std::string_view(format).substr(at, percent - at);
    if (percent == format.size()) break;
    at = percent + 1;
    std::optional<Value> named;
    if (at < format.size() && format[at] == '(') {
      const size_t close = format.find(')', at);
      if (close == std::string::npos || !values.is_dict()) fail("%(name) in a format needs a dictionary");
      const Value* found = find(budget, values.dict(), Value(format.substr(at + 1, close - at - 1)));
      if (!found)
        fail("the dictionary has no '{:.60}' for the format", format.substr(at + 1, close - at - 1));
      named = *found;
      used = 1;
      at = close + 1;
    }
    Field field;
    bool left = false, zero = false;
    for (; at < format.size() && std::string_view("-+ 0#").find(format[at]) != std::string_view::npos; ++at) {
      if (format[at] == '-') left = true;
      if (format[at] == '0') zero = true;
      if (format[at] == '+') field.sign = '+';
      if (format[at] == ' ' && field.sign != '+') field.sign = ' ';
      if (format[at] == '#') field.alternate = true;
    }
    field.width = read_number(format, at);
    if (at < format.size() && format[at] == '.')
      field.precision = checked_precision(read_number(format, ++at));
    if (at >= format.size()) fail("the format ends inside a %");
    const char type = format[at++];
    if (type == '%') {
      out << "%";
      continue;
    }
    if (std::string_view("srdiufFeEgGxXo").find(type) == std::string_view::npos)
      fail("a format does not know %{}", type);
    const Value value = named ? *named : next_value();
    if (type == 's' || type == 'r') {
      text_field(out, field, type == 's' ? to_text(budget, value) : to_repr(budget, value), left ? '<' : '>');
      continue;
    }
    if (!value.is_number()) fail("%{} needs a number, found '{}'", type, type_name(value));
    const bool wants_integer = std::string_view("diuxXo").find(type) != std::string_view::npos;
    if (wants_integer && field.precision >= 0) fail("a format with a precision needs %f, %e, %g or %s");
    if (wants_integer && value.is_float() && (type == 'x' || type == 'X' || type == 'o'))
      fail("%{} needs an integer", type);
    if (wants_integer && !(std::fabs(value.number()) < 9.2e18)) fail("%{} of a number beyond 64 bits", type);
    field.type = wants_integer && type != 'x' && type != 'X' && type != 'o' ? 'd' : type;
    field.align = left ? '<' : zero ? '=' : '>';
    if (zero && !left) field.fill.assign(1, '0');
    number_field(out, field,
                 wants_integer && value.is_float() ? Value(static_cast<int64_t>(value.number())) : value);
  }
  if (is_tuple && used < values.sequence().items.size()) fail("not all values were used by the format");
  if (!is_tuple && used == 0 && !values.is_dict() && !values.is_sequence())
    fail("not all values were used by the format");
  return out.take();
}

namespace {

Field parse_specification(std::string_view text) {
  Field field;
  size_t at = 0;
  size_t second = 0;
  if (!text.empty()) decode(text, second);
  const auto is_align = [&](size_t i) {
    return i < text.size() && std::string_view("<>^=").find(text[i]) != std::string_view::npos;
  };
  if (is_align(second)) {
    field.fill = text.substr(0, second);
    field.align = text[second];
    at = second + 1;
  } else if (is_align(0)) {
    field.align = text[0];
    at = 1;
  }
  if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) field.sign = text[at++];
  if (at < text.size() && text[at] == '#') field.alternate = ++at > 0;
  if (at < text.size() && text[at] == '0') {
    if (!field.align) {
      field.align = '=';
      field.fill.assign(1, '0');
    }
    ++at;
  }
  field.width = read_number(text, at);
  if (at < text.size() && text[at] == ',') field.grouped = ++at > 0;
  if (at < text.size() && text[at] == '.') {
    if (++at >= text.size() || text[at] < '0' || text[at] > '9') fail("a format lacks its precision");
    field.precision = checked_precision(read_number(text, at));
  }
  if (at < text.size()) field.type = text[at++];
  if (at != text.size() ||
      (field.type && std::string_view("sdfFeEgGxXob").find(field.type) == std::string_view::npos))
    fail("the format '{:.40}' is not supported", text);
  return field;
}

void formatted(Budget& budget, Text& out, const Value& value, std::string_view specification) {
  if (specification.empty()) {
    out << to_text(budget, value);
    return;
  }
  const Field field = parse_specification(specification);
  if (value.is_string()) {
    if ((field.type && field.type != 's') || field.align == '=')
      fail("the format '{:.40}' does not fit a '{}'", specification, type_name(value));
    return text_field(out, field, to_text(budget, value), field.align ? field.align : '<');
  }
  const bool integer_type =
      field.type && std::string_view("dxXob").find(field.type) != std::string_view::npos;
  if (!value.is_number() || field.type == 's' || (integer_type && value.is_float()) ||
      (value.is_integer() && field.precision >= 0 && (integer_type || field.type == 0)))
    fail("the format '{:.40}' does not fit a '{}'", specification, type_name(value));
  number_field(out, field, value);
}

// name.attribute[key]: the value that a field names.
Value field_value(Interpreter& interpreter, std::string_view path, const Arguments& arguments,
                  int64_t& automatic) {
  const size_t end = std::min(path.find_first_of(".["), path.size());
  const std::string_view first = path.substr(0, end);
  Value value;
  const bool numbered = first.find_first_not_of("0123456789") == std::string_view::npos;
  if (numbered) {
    size_t at = 0;
    if ((first.empty() ? automatic < 0 : automatic > 0)) fail("a format mixes {{}} and {{0}}");
    const int64_t index = first.empty() ? automatic : read_number(first, at);
    automatic = first.empty() ? automatic + 1 : -1;
    if (index >= static_cast<int64_t>(arguments.positional.size()))
      fail("the format has no argument {}", index);
    value = arguments.positional[static_cast<size_t>(index)];
  } else {
    const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& named) { return named.first == first; });
    if (found == arguments.named.end()) fail("the format has no argument '{:.60}'", first);
    value = found->second;
  }
  for (size_t at = end; at < path.size();) {
    if (path[at] == '.') {
      const size_t stop = std::min(path.find_first_of(".[", at + 1), path.size());
      value = interpreter.attribute(value, std::string(path.substr(at + 1, stop - at - 1)));
      at = stop;
      continue;
    }
    const size_t close = path.find(']', at);
    if (path[at] != '[' || close == std::string_view::npos || close == at + 1)
      fail("a format field is malformed");
    const std::string_view key = path.substr(at + 1, close - at - 1);
    size_t digits = 0;
    const bool index = key.find_first_not_of("0123456789") == std::string_view::npos;
    value = interpreter.item(value, index ? Value(read_number(key, digits)) : Value(key));
    at = close + 1;
  }
  return value;
}

}  // namespace

std::string format_braces(Interpreter& interpreter, const std::string& format, const Arguments& arguments) {
  Budget& budget = interpreter.budget();
  Text out(budget);
  int64_t automatic = 0;  // next {}; -1 once a field was numbered
  for (size_t at = 0; at < format.size();) {
    const size_t brace = std::min(format.find_first_of("{}", at), format.size());
    out << std::string_view(format).substr(at, brace - at);
    if (brace == format.size()) break;
    if (brace + 1 < format.size() && format[brace + 1] == format[brace]) {
      out << std::string_view(format).substr(brace, 1);
      at = brace + 2;
      continue;
    }
    const size_t close = format.find('}', brace);
    if (format[brace] == '}' || close == std::string::npos) fail("a brace of a format is not closed");
    std::string_view field = std::string_view(format).substr(brace + 1, close - brace - 1);
    if (field.find('{') != std::string_view::npos) fail("fields within fields of a format are not supported");
    const size_t colon = std::min(field.find(':'), field.size());
    const std::string_view specification =
        colon < field.size() ? field.substr(colon + 1) : std::string_view();
    field = field.substr(0, colon);
    char conversion = 0;
    if (field.size() >= 2 && field[field.size() - 2] == '!') {
      conversion = field.back();
      field.remove_suffix(2);
      if (conversion != 's' && conversion != 'r') fail("a format knows !s and !r, found !{}", conversion);
    }
    Value value = field_value(interpreter, field, arguments, automatic);
    if (conversion) value = Value(conversion == 'r' ? to_repr(budget, value) : to_text(budget, value));
    formatted(budget, out, value, specification);
    at = close + 1;
  }
  return out.take();
}

}  // namespace invar::jinja
