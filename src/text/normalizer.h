// The normalizers of a tokenizer.json: text to text, before splitting.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace invar {

// What to look for: a literal string, or a regex.
using TextPattern = std::variant<std::string, Regex>;

// All non-overlapping matches of the pattern. Errors: those of Regex::find_all.
Result<std::vector<Match>> find_all(const TextPattern& pattern, std::string_view text);

struct UnicodeForm {
  NormalForm form;
};
struct Lowercase {};
struct Prepend {  // to texts that are not empty
  std::string content;
};
struct Replace {
  TextPattern pattern;
  std::string content;
};
struct StripSpace {
  bool left, right;
};

using NormalizerStep = std::variant<UnicodeForm, Lowercase, Prepend, Replace, StripSpace>;

// A chain of steps, applied in order.
struct Normalizer {
  std::vector<NormalizerStep> steps;

  // The normalised text. `text` is well-formed UTF-8. `head_bytes`, where given, is how many leading bytes
  // stand for the first character of the input, before and after: 0 once that was stripped off, more than a
  // character where it was decomposed or has something prepended. (The Metaspace pre-tokenizer asks what is
  // the start of the input.) Errors: those of Regex::find_all; the result is longer than `bytes_max` (a
  // Replace that multiplies the text).
  Result<std::string> apply(std::string_view text, size_t bytes_max, size_t* head_bytes = nullptr) const;
};

}  // namespace invar
