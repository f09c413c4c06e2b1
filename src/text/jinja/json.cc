#include "text/jinja/json.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/repr.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

Value convert(Budget& budget, const nlohmann::ordered_json& json, int depth) {
  if (depth > kValueDepthMax) fail("limit value depth: the input nests deeper than {}", kValueDepthMax);
  switch (json.type()) {
    case nlohmann::json::value_t::null: return None{};
    case nlohmann::json::value_t::boolean: return json.get<bool>();
    case nlohmann::json::value_t::number_integer: return json.get<int64_t>();
    case nlohmann::json::value_t::number_unsigned:
      if (json.get<uint64_t>() > INT64_MAX)
        fail("the input's integer {} does not fit 64 bits", json.get<uint64_t>());
      return static_cast<int64_t>(json.get<uint64_t>());
    case nlohmann::json::value_t::number_float: return json.get<double>();
    case nlohmann::json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      if (!valid_utf8(text)) fail("a string of the input is not valid UTF-8");
      return make_text(budget, text);
    }
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) items.push_back(convert(budget, item, depth + 1));
      return make_sequence(budget, std::move(items));
    }
    case nlohmann::json::value_t::object: {
      std::vector<std::pair<Value, Value>> items;
      for (const auto& [key, item] : json.items()) {
        if (!valid_utf8(key)) fail("a key of the input is not valid UTF-8");
        items.emplace_back(Value(key), convert(budget, item, depth + 1));
      }
      return make_dict(budget, std::move(items));
    }
    default: fail("the input holds binary data; templates take JSON values");
  }
}

class Writer {
 public:
  Writer(Budget& budget, const JsonStyle& style) : budget_(budget), style_(style), out_(budget) {}

  void value(const Value& value, int level);
  std::string take() { return out_.take(); }

 private:
  void string(const std::string& text);
  void list(const std::vector<Value>& items, int level);
  void dict(const Dict& dict, int level);
  void line(int level) {
    if (!style_.indent) return;
    out_ << "\n";
    out_.repeat(*style_.indent, level);
  }

  Budget& budget_;
  const JsonStyle& style_;
  Text out_;
};

void Writer::string(const std::string& text) {
  std::string quoted = "\"";
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = decode(text, at);
    static constexpr std::string_view kFrom = "\"\\\n\r\t\b\f";
    static constexpr std::string_view kTo = "\"\\nrtbf";
    const size_t known = c < 0x80 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      quoted += '\\';
      quoted += kTo[known];
    } else if (c < 0x20 || (c > 0x7E && style_.ensure_ascii && c < 0x10000 && c != 0x7F)) {
      quoted += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else if (c >= 0x10000 && style_.ensure_ascii) {
      const uint32_t rest = static_cast<uint32_t>(c) - 0x10000;
      quoted += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      quoted.append(text, begin, at - begin);
    }
  }
  quoted += '"';
  out_ << quoted;
}

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_repr(value);
}

void Writer::value(const Value& value, int level) {
  budget_.step();
  if (value.is_none()) {
    out_ << "null";
  } else if (value.is_bool()) {
    out_ << (value.boolean() ? "true" : "false");
  } else if (value.is_integer()) {
    out_ << fmt::format("{}", value.integer());
  } else if (value.is_float()) {
    out_ << json_float(value.number());
  } else if (value.is_string()) {
    string(value.string());
  } else if (value.is_sequence() && (value.sequence().type == Sequence::Type::kList ||
                                     value.sequence().type == Sequence::Type::kTuple)) {
    list(value.sequence().items, level);
  } else if (value.is_dict()) {
    dict(value.dict(), level);
  } else if (value.is_undefined()) {
    fail("tojson of an undefined value: {}", value.undefined_reason());
  } else {
    fail("tojson cannot write a '{}'", type_name(value));
  }
}

void Writer::list(const std::vector<Value>& items, int level) {
  if (items.empty()) {
    out_ << "[]";
    return;
  }
  out_ << "[";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out_ << style_.item_separator;
    line(level + 1);
    value(items[i], level + 1);
  }
  line(level);
  out_ << "]";
}

void Writer::dict(const Dict& dict, int level) {
  if (dict.items.empty()) {
    out_ << "{}";
    return;
  }
  std::vector<const std::pair<Value, Value>*> items;
  for (const auto& item : dict.items) items.push_back(&item);
  if (style_.sort_keys) {
    std::stable_sort(items.begin(), items.end(),
                     [&](const auto* a, const auto* b) { return less(budget_, a->first, b->first); });
  }
  out_ << "{";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out_ << style_.item_separator;
    line(level + 1);
    const Value& key = items[i]->first;
    if (key.is_string()) {
      string(key.string());
    } else if (key.is_none() || key.is_number()) {
      out_ << "\"";
      value(key, 0);
      out_ << "\"";
    } else {
      fail("tojson needs string keys, found '{}'", type_name(key));
    }
    out_ << style_.key_separator;
    value(items[i]->second, level + 1);
  }
  line(level);
  out_ << "}";
}

}  // namespace

Value from_json(Budget& budget, const nlohmann::ordered_json& json) { return convert(budget, json, 0); }

std::string to_json(Budget& budget, const Value& value, const JsonStyle& style) {
  Writer writer(budget, style);
  writer.value(value, 0);
  return writer.take();
}

}  // namespace invar::jinja
