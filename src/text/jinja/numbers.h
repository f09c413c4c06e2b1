// Numbers out of text, as Python's int() and float() read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace invar::jinja {

std::optional<double> parse_float(std::string_view text);
std::optional<int64_t> parse_integer(std::string_view text, int base);  // base 0: by prefix

}  // namespace invar::jinja
