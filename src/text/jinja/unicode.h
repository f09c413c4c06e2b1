// Python's view of strings: code points, whitespace, letter case. Every string here is valid UTF-8: parse and
// from_json refuse anything else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace invar::jinja {

bool valid_utf8(std::string_view text);
char32_t decode(std::string_view text, size_t& at);  // at < text.size(); moves to the next code point
void append_utf8(std::string& text, char32_t code_point);

int64_t code_points(std::string_view text);
// Byte where code point `index` begins; text.size() past the end. index >= 0.
size_t byte_offset(std::string_view text, int64_t index);

bool is_space(char32_t c);       // str.isspace, and \s of a str pattern
bool is_line_break(char32_t c);  // where str.splitlines cuts
bool is_printable(char32_t c);   // what repr() shows as it is
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_cased(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_identifier_part(char32_t c);

// Full mappings: one code point may become three, a final sigma is its own letter.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title_first(std::string_view text);  // first code point in title case, the rest in lower case
std::string to_title(std::string_view text);        // str.title()

std::string_view strip_left(std::string_view text, std::string_view chars, bool whitespace);
std::string_view strip_right(std::string_view text, std::string_view chars, bool whitespace);

}  // namespace invar::jinja
