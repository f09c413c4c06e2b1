#include "text/jinja/repr.h"

#include <charconv>
#include <cmath>

#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

void string_repr(Text& out, const std::string& text) {
  const bool doubled = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = doubled ? '"' : '\'';
  std::string quoted(1, quote);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = decode(text, at);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(c);
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (is_printable(c)) {
      quoted.append(text, begin, at - begin);
    } else {
      const auto code = static_cast<uint32_t>(c);
      quoted += c < 0x100     ? fmt::format("\\x{:02x}", code)
                : c < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
  }
  quoted += quote;
  out << quoted;
}

void append_repr(Budget& budget, Text& out, const Value& value, int depth);

void items_repr(Budget& budget, Text& out, const std::vector<Value>& items, int depth) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out << ", ";
    append_repr(budget, out, items[i], depth);
  }
}

void sequence_repr(Budget& budget, Text& out, const Sequence& sequence, int depth) {
  switch (sequence.type) {
    case Sequence::Type::kTuple:
      out << "(";
      items_repr(budget, out, sequence.items, depth);
      out << (sequence.items.size() == 1 ? ",)" : ")");
      return;
    case Sequence::Type::kKeys:
    case Sequence::Type::kValues:
    case Sequence::Type::kItems:
      out << (sequence.type == Sequence::Type::kKeys     ? "dict_keys(["
              : sequence.type == Sequence::Type::kValues ? "dict_values(["
                                                         : "dict_items([");
      items_repr(budget, out, sequence.items, depth);
      out << "])";
      return;
    case Sequence::Type::kGenerator:
    case Sequence::Type::kRange:
      fail("a generator or a range cannot be printed; put |list or |join behind it");
    default:
      out << "[";
      items_repr(budget, out, sequence.items, depth);
      out << "]";
  }
}

void append_repr(Budget& budget, Text& out, const Value& value, int depth) {
  if (depth > 2 * kValueDepthMax)
    fail("limit value depth: a printed value nests deeper than {}", 2 * kValueDepthMax);
  if (value.is_undefined()) {
    out << "Undefined";
  } else if (value.is_none()) {
    out << "None";
  } else if (value.is_bool()) {
    out << (value.boolean() ? "True" : "False");
  } else if (value.is_integer()) {
    out << fmt::format("{}", value.integer());
  } else if (value.is_float()) {
    out << float_repr(value.number());
  } else if (value.is_string()) {
    string_repr(out, value.string());
  } else if (value.is_sequence()) {
    sequence_repr(budget, out, value.sequence(), depth + 1);
  } else if (value.is_dict() || value.is_namespace()) {
    out << (value.is_dict() ? "{" : "<Namespace {");
    bool first = true;
    const auto pair = [&](const Value& key, const Value& item) {
      if (!std::exchange(first, false)) out << ", ";
      append_repr(budget, out, key, depth + 1);
      out << ": ";
      append_repr(budget, out, item, depth + 1);
    };
    if (value.is_dict()) {
      for (const auto& [key, item] : value.dict().items) pair(key, item);
    } else {
      for (const auto& [key, item] : value.name_space().attributes) pair(Value(key), item);
    }
    out << (value.is_dict() ? "}" : "}>");
  } else if (value.is_loop()) {
    out << fmt::format("<LoopContext {}/{}>", value.loop().index0 + 1, value.loop().length());
  } else if (value.callable().macro) {
    out << fmt::format("<Macro '{}'>", value.callable().name);
  } else {
    fail("the function '{}' was printed; call it with ()", value.callable().name);
  }
}

}  // namespace

std::string to_text(Budget& budget, const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_string()) {
    budget.scan(value.string().size());
    return value.string();
  }
  return to_repr(budget, value);
}

std::string to_repr(Budget& budget, const Value& value) {
  Text out(budget);
  append_repr(budget, out, value, 0);
  return out.take();
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string shortest(buffer, end);  // -d.ddde[+-]dd
  const size_t e = shortest.find('e');
  int exponent = 0;
  const char* digits = shortest.data() + e + (shortest[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, shortest.data() + shortest.size(), exponent);
  if (exponent >= -4 && exponent < 16) {
    const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    std::string text(buffer, fixed);
    if (text.find('.') == std::string::npos) text += ".0";
    return text;
  }
  return fmt::format("{}e{}{:02d}", shortest.substr(0, e), exponent < 0 ? '-' : '+', std::abs(exponent));
}

}  // namespace invar::jinja
