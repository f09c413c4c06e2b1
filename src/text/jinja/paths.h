// "address.city" and "0.name": the attribute paths that filters take.
#pragma once

#include <vector>

#include "text/jinja/builtins.h"

namespace invar::jinja {

std::vector<Value> parse_path(const Value& attribute);
Value follow_path(Interpreter& interpreter, Value item, const std::vector<Value>& path);

}  // namespace invar::jinja
