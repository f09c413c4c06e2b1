// JSON in and out: the messages of a request become values; `tojson` is Python's json.dumps.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace invar::jinja {

// Fails on invalid UTF-8, on integers beyond 64 bits and on nesting beyond kValueDepthMax.
Value from_json(Budget& budget, const nlohmann::ordered_json& json);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // of one level; none: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
std::string to_json(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace invar::jinja
