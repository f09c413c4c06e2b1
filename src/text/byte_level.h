// GPT-2's reversible spelling of bytes as printable characters, in which byte-level vocabularies are written.
//
// Source: encoder.py of the GPT-2 release: bytes 33-126, 161-172 and 174-255 stand for themselves, the other
// 68 become U+0100 and following, in order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace invar {

// The character of a byte.
char32_t byte_level_char(unsigned char byte);

// The bytes that a token spells, or nothing when it has a character outside the 256. `token` is well-formed UTF-8.
std::optional<std::string> byte_level_decode(std::string_view token);

}  // namespace invar
