#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cctype>

#include "io/quote.h"
#include "text/unicode.h"

namespace invar {
namespace {

constexpr uint32_t kMatchLimit = 10'000'000;   // backtracking steps for one match
constexpr uint32_t kHeapLimitKib = 64 * 1024;  // of the interpreter's frames
constexpr size_t kPatternBytesMax = 64 * 1024;
constexpr size_t kJitStackBytesMax = 8 << 20;

std::string pcre2_message(int code) {
  PCRE2_UCHAR8 buffer[256];
  pcre2_get_error_message_8(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

// The properties whose members are the same for both libraries, thanks to regex_subject.
bool is_shared_property(std::string_view name) {
  if (name.starts_with('^')) name.remove_prefix(1);
  constexpr std::string_view kNames[] = {"L",  "M",  "N",  "P",  "S",  "Z",  "C",  "Lu", "Ll", "Lt",
                                         "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd",
                                         "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs",
                                         "Zl", "Zp", "Cc", "Cf", "Co", "Cn", "Han"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// What stands at pattern[at] that PCRE2 compiles but Oniguruma (Ruby's syntax) reads otherwise; empty when nothing.
std::string_view foreign_construct(std::string_view pattern, size_t at, bool in_class) {
  const std::string_view rest = pattern.substr(at);
  if (rest[0] == '\\' && rest.size() > 1) {
    const char c = rest[1];
    if (c == 'p' || c == 'P') {
      const size_t close = rest.find('}');
      const bool shared = rest.size() > 2 && rest[2] == '{' && close != rest.npos &&
                          is_shared_property(rest.substr(3, close - 3));
      return shared ? std::string_view() : rest.substr(0, close == rest.npos ? 2 : close + 1);
    }
    // Word characters, hexadecimal digits, newline sequences, names and octals differ; the listed ones do not.
    const bool shared =
        (static_cast<unsigned char>(c) >= 0x21 && !std::isalnum(static_cast<unsigned char>(c))) ||
        std::string_view("sSdDrntfvxAz ").find(c) != std::string_view::npos;
    return shared ? std::string_view() : rest.substr(0, 2);
  }
  if (in_class) {
    if (rest.starts_with("&&")) return rest.substr(0, 2);
    if (rest[0] == '[') return rest.substr(0, 2);
    return {};
  }
  if (rest.starts_with("}+") || rest.starts_with("{,")) return rest.substr(0, 2);
  if (rest.starts_with("(*")) return rest.substr(0, 2);
  if (rest.starts_with("(?")) {
    const bool shared = rest.starts_with("(?:") || rest.starts_with("(?=") || rest.starts_with("(?!") ||
                        rest.starts_with("(?>") || rest.starts_with("(?<=") || rest.starts_with("(?<!") ||
                        rest.starts_with("(?i:");
    return shared ? std::string_view() : rest.substr(0, 4);
  }
  return {};
}

// The first construct that the two libraries read differently, or empty.
std::string_view find_foreign_construct(std::string_view pattern) {
  bool in_class = false;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (const auto found = foreign_construct(pattern, at, in_class); !found.empty()) return found;
    if (pattern[at] == '\\') {
      ++at;
      // Over the braces of \p{L} and \x{41}, which are no interval.
      const bool braces =
          std::string_view("pPx").find(pattern[std::min(at, pattern.size() - 1)]) != std::string_view::npos;
      if (braces && pattern.substr(at + 1, 1) == "{")
        at = std::min(pattern.find('}', at), pattern.size() - 1);
    } else if (in_class) {
      in_class = pattern[at] != ']';
    } else if (pattern[at] == '[') {
      in_class = true;
      if (pattern.substr(at + 1, 1) == "^") ++at;
      if (pattern.substr(at + 1, 1) == "]") return pattern.substr(at, 2);
    }
  }
  return {};
}

struct MatchState {
  pcre2_match_context_8* context = pcre2_match_context_create_8(nullptr);
  pcre2_jit_stack_8* stack = pcre2_jit_stack_create_8(32 * 1024, kJitStackBytesMax, nullptr);
  pcre2_match_data_8* data = pcre2_match_data_create_8(1, nullptr);  // only the whole match is wanted

  MatchState() {
    INVAR_CHECK(context && data, "out of memory");
    pcre2_set_match_limit_8(context, kMatchLimit);
    pcre2_set_heap_limit_8(context, kHeapLimitKib);
    pcre2_jit_stack_assign_8(context, nullptr, stack);
  }
  MatchState(const MatchState&) = delete;
  ~MatchState() {
    pcre2_match_data_free_8(data);
    pcre2_jit_stack_free_8(stack);
    pcre2_match_context_free_8(context);
  }
};

}  // namespace

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return error("regex of {} bytes; at most {} are accepted", pattern.size(), kPatternBytesMax);
  }
  if (const auto found = find_foreign_construct(pattern); !found.empty()) {
    return error(
        "the regex {} has {}, which Oniguruma and PCRE2 read differently; this tokenizer is not supported",
        quote(pattern), quote(found));
  }
  int code = 0;
  PCRE2_SIZE offset = 0;
  // In Ruby's syntax ^ and $ always are those of a line.
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  pcre2_code_8* compiled = pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()), pattern.size(),
                                           options, &code, &offset, nullptr);
  if (!compiled) {
    return error(
        "the regex {} is not one that PCRE2 can compile: {} at byte {}; this tokenizer is not supported",
        quote(pattern), pcre2_message(code), offset);
  }
  pcre2_jit_compile_8(compiled, PCRE2_JIT_COMPLETE);  // without JIT the interpreter gives the same matches
  Regex regex;
  regex.pattern_ = pattern;
  regex.code_ = std::shared_ptr<const void>(
      compiled, [](const void* p) { pcre2_code_free_8(static_cast<pcre2_code_8*>(const_cast<void*>(p))); });
  return regex;
}

Result<std::vector<Match>> Regex::find_all(std::string_view text) const {
  const auto* code = static_cast<const pcre2_code_8*>(code_.get());
  // Scratch memory, reused because a tokenizer may match thousands of short pieces one by one.
  thread_local const MatchState state;
  std::vector<Match> matches;
  if (text.empty()) return matches;
  const std::string replaced = regex_subject(text);
  const std::string_view subject = replaced.empty() ? text : std::string_view(replaced);
  size_t at = 0;
  size_t last_end = std::string_view::npos;
  while (at <= subject.size()) {
    const int rc = pcre2_match_8(code, reinterpret_cast<PCRE2_SPTR8>(subject.data()), subject.size(), at,
                                 PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      return error("the regex {} failed on a text of {} bytes, from byte {}: {}", quote(pattern_),
                   text.size(), at, pcre2_message(rc));
    }
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer_8(state.data);
    const Match match{offsets[0], offsets[1]};
    if (match.begin > match.end || match.begin < at) {
      return error("the regex {} moves the start of its match (\\K); this tokenizer is not supported",
                   quote(pattern_));
    }
    if (match.begin != match.end) {
      matches.push_back(match);
      at = last_end = match.end;
      continue;
    }
    // An empty match right after a match is none, as in Oniguruma's iterator; then step over one code point.
    if (match.end != last_end) matches.push_back(match);
    last_end = match.end;
    if (match.end == subject.size()) break;
    at = match.end + utf8_length(static_cast<unsigned char>(subject[match.end]));
  }
  return matches;
}

}  // namespace invar
