// Unicode properties as HF `tokenizers` sees them, code point by code point.
//
// `tokenizers` mixes versions: Oniguruma (Unicode 16.0) for regexes, Rust's char (17.0) for digits and lower case, an
// old normalisation crate (9.0). The tables were probed from the library: text/unicode_tables.inc names the version.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace invar {

enum CharClass : uint8_t {
  kLetter = 1,       // \p{L} of Oniguruma
  kNumber = 2,       // \p{N} of Oniguruma
  kSpace = 4,        // \s of Oniguruma; the same set as White_Space
  kRustNumeric = 8,  // char::is_numeric, what the Digits pre-tokenizer splits
  kWord = 16,        // \w of the regex crate, what `single_word` added tokens look at
};

// Two-level table of CharClass bits: a page number for each 128 code points, then the bits.
class CharClassTable {
 public:
  CharClassTable();
  uint8_t operator[](char32_t c) const { return pages_[page_of_[c >> 7]][c & 127]; }

 private:
  std::array<uint16_t, 0x110000 / 128> page_of_;
  std::array<std::array<uint8_t, 128>, 400> pages_;
};

// The table, built on first use from constant data.
const CharClassTable& char_classes();

// The lower case of one code point appended to `out`, as Rust's char::to_lowercase: without context.
void append_lowercase(std::string& out, char32_t c);

enum class NormalForm { kNFC, kNFD, kNFKC, kNFKD };

// `text` (well-formed UTF-8) in the given form, as `tokenizers` computes it: code points assigned after
// Unicode 9.0 stay as they are and separate what is around them. O(n log n), also for long runs of combining
// marks.
std::string normalize(std::string_view text, NormalForm form);

// A copy of `text` of the same byte length for matching with PCRE2 10.42 (Unicode 14.0): each code point
// whose category Oniguruma 6.9.10 (Unicode 16.0) sees differently is replaced by one of that category and
// length. Empty when nothing had to be replaced.
std::string regex_subject(std::string_view text);

}  // namespace invar
