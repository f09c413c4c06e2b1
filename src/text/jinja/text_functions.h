// Text functions that both filters and methods offer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/builtins.h"

namespace invar::jinja {

// str.strip and its halves; chars: a set of characters, none or absent means whitespace.
Value strip(Call& call, std::string_view text, size_t chars, bool left, bool right);

// str.replace; count < 0: all.
std::string replace_all(Budget& budget, std::string_view text, std::string_view from, std::string_view to,
                        int64_t count);

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace invar::jinja
