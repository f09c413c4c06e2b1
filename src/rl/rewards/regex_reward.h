// A reward by a regular expression (PCRE2), with a bound on its work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace invar {

class RegexReward {
 public:
  struct Options {
    std::string pattern;  // Perl's syntax; text and pattern are UTF-8
    bool ignore_case = false;
    bool dot_all = true;               // "." matches line ends too
    uint32_t match_limit = 1'000'000;  // PCRE2's count of backtracking, for one response
  };

  // Errors: a pattern that does not compile, with PCRE2's words and the place; an empty one.
  static Result<RegexReward> compile(const Options& options);

  // Without a group in the pattern: 1 where it matches somewhere in the response. With groups: 1 where the first
  // group of the last match is the label, spaces around both cut. Errors: a match that reached the limit, which the
  // pattern and not the model should be blamed for. Safe to call from several threads.
  Result<float> score(std::string_view response, std::string_view label) const;

 private:
  RegexReward() = default;

  Options options_;
  std::shared_ptr<const void> code_;  // pcre2_code
  uint32_t groups_ = 0;
};

}  // namespace invar
