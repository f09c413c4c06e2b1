// Arithmetic, containment and slices with Python's meaning on 64-bit integers; overflow is an error.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace invar::jinja {

// op: + - * / // % **. Strings and lists join and repeat; a string % formats.
Value binary(Budget& budget, const std::string& op, const Value& a, const Value& b);
Value negative(const Value& value);
Value positive(const Value& value);

bool contains(Budget& budget, const Value& container, const Value& item);

// op: == != < <= > >= in "not in"
bool compare(Budget& budget, const std::string& op, const Value& a, const Value& b);

struct Slice {
  std::optional<int64_t> begin, end, step;
};
Value slice(Budget& budget, const Value& object, const Slice& slice);

}  // namespace invar::jinja
