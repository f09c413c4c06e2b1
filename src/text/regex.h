// Regexes of tokenizer files, matched with PCRE2 (UTF and Unicode properties, JIT where the CPU has it).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace invar {

struct Match {
  size_t begin, end;  // byte offsets
};

// A compiled pattern. Const use from several threads is safe.
class Regex {
 public:
  // Errors: the pattern does not compile, with PCRE2's words and the offset; or it has a construct that
  // Oniguruma, which `tokenizers` uses, reads otherwise (\\w, \\b, \\h, nested sets, &&, {n}+, {,n}, scripts other
  // than Han, inline flags other than i): such a pattern is refused, never approximated. One difference is
  // left: without case "ss" also matches a sharp s in Oniguruma.
  static Result<Regex> compile(std::string_view pattern);

  // All non-overlapping matches from left to right, empty matches included, in `text` (well-formed UTF-8).
  // Unicode classes are Oniguruma's (see regex_subject). Errors: the match limit was reached (a pattern that
  // backtracks without end on this text), or the JIT's stack ran out.
  Result<std::vector<Match>> find_all(std::string_view text) const;

  const std::string& pattern() const { return pattern_; }

 private:
  std::string pattern_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace invar
