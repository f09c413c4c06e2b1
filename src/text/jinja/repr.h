// Python's str() and repr() of values.
#pragma once

#include <string>

#include "text/jinja/value.h"

namespace invar::jinja {

// What {{ value }} prints. Functions, generators and ranges are an error: Python prints a memory address or a form
// that no template wants.
std::string to_text(Budget& budget, const Value& value);
std::string to_repr(Budget& budget, const Value& value);

// repr(float): the shortest decimal that reads back as the same double.
std::string float_repr(double value);

}  // namespace invar::jinja
