#include "rl/rewards/regex_reward.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>

#include "io/quote.h"
#include "rl/rewards/characters.h"

namespace invar {
namespace {

constexpr std::size_t kPatternBytesMax = 64 * 1024;
constexpr uint32_t kHeapLimitKib = 64 * 1024;

std::string pcre2_message(int code) {
  PCRE2_UCHAR8 buffer[256];
  pcre2_get_error_message_8(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

struct Free {
  void operator()(pcre2_match_context_8* context) const { pcre2_match_context_free_8(context); }
  void operator()(pcre2_match_data_8* data) const { pcre2_match_data_free_8(data); }
};

}  // namespace

Result<RegexReward> RegexReward::compile(const Options& options) {
  if (options.pattern.empty() || options.pattern.size() > kPatternBytesMax)
    return error("reward pattern: expected 1 to {} bytes, found {}", kPatternBytesMax,
                 options.pattern.size());
  int code = 0;
  PCRE2_SIZE offset = 0;
  // Invalid UTF-8 in a response matches nothing instead of being an error.
  const uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                         (options.ignore_case ? PCRE2_CASELESS : 0) | (options.dot_all ? PCRE2_DOTALL : 0);
  pcre2_code_8* compiled = pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(options.pattern.data()),
                                           options.pattern.size(), flags, &code, &offset, nullptr);
  if (compiled == nullptr)
    return error("reward pattern {}: {} at byte {}", quote(options.pattern), pcre2_message(code), offset);
  RegexReward reward;
  reward.options_ = options;
  reward.code_ = std::shared_ptr<const void>(
      compiled, [](const void* p) { pcre2_code_free_8(static_cast<pcre2_code_8*>(const_cast<void*>(p))); });
  pcre2_pattern_info_8(compiled, PCRE2_INFO_CAPTURECOUNT, &reward.groups_);
  return reward;
}

// Without JIT: its count of backtracking is another one, and the limit must fall at the same place on every CPU.
Result<float> RegexReward::score(std::string_view response, std::string_view label) const {
  const auto* code = static_cast<const pcre2_code_8*>(code_.get());
  const std::unique_ptr<pcre2_match_context_8, Free> context(pcre2_match_context_create_8(nullptr));
  const std::unique_ptr<pcre2_match_data_8, Free> data(
      pcre2_match_data_create_8(groups_ > 0 ? 2 : 1, nullptr));
  INVAR_CHECK(context && data, "out of memory");
  pcre2_set_match_limit_8(context.get(), options_.match_limit);
  pcre2_set_heap_limit_8(context.get(), kHeapLimitKib);
  float score = 0;
  for (PCRE2_SIZE at = 0; at <= response.size();) {
    const int rc = pcre2_match_8(code, reinterpret_cast<PCRE2_SPTR8>(response.data()), response.size(), at, 0,
                                 data.get(), context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0)
      return error(
          "reward pattern {} gave up on a response of {} bytes: {}; expected a pattern that backtracks less",
          quote(options_.pattern), response.size(), pcre2_message(rc));
    if (groups_ == 0) return 1.0f;
    const PCRE2_SIZE* match = pcre2_get_ovector_pointer_8(data.get());
    const bool has_group = match[2] != PCRE2_UNSET && match[3] >= match[2];
    const std::string_view group =
        has_group ? response.substr(match[2], match[3] - match[2]) : std::string_view();
    score = has_group && trimmed(group) == trimmed(label) ? 1.0f : 0.0f;
    // On over an empty match, and past \K or lookbehind tricks that would stand still.
    at = match[1] > at ? match[1] : at + 1;
    while (at < response.size() && (static_cast<unsigned char>(response[at]) & 0xC0) == 0x80) ++at;
  }
  return score;
}

}  // namespace invar
