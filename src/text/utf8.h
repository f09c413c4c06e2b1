// UTF-8: checking a whole text once, and reading code points of text that was checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace invar {

// Offset of the first byte that is not part of well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing
// above U+10FFFF), or npos.
size_t find_invalid_utf8(std::string_view text);

// The length in bytes of the sequence that `lead` starts; `lead` is the first byte of a well-formed sequence.
inline size_t utf8_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

struct CodePoint {
  char32_t value;
  uint32_t bytes;  // 1 to 4
};

// The code point at text[at]. The text is well-formed and `at` starts a sequence.
inline CodePoint read_code_point(std::string_view text, size_t at) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data()) + at;
  if (s[0] < 0x80) return {s[0], 1};
  if (s[0] < 0xE0) return {char32_t((s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu)), 2};
  if (s[0] < 0xF0) {
    return {char32_t((s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu)), 3};
  }
  return {char32_t((s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu)), 4};
}

// Start of the sequence that ends before text[at]; at > 0.
inline size_t previous_code_point(std::string_view text, size_t at) {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

void append_utf8(std::string& out, char32_t code_point);

// How a decoder must read the sequence at the start of `bytes`, which is not empty.
struct Utf8Scan {
  enum Kind { kValid, kInvalid, kIncomplete } kind;
  uint32_t bytes;  // of the code point, of the maximal invalid subpart, or of the incomplete tail
};
// One step of the replacement that Unicode recommends (maximal subparts, chapter 3.9), as Rust's
// from_utf8_lossy does it.
Utf8Scan scan_utf8(std::string_view bytes);

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace invar
