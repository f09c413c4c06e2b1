#include "text/splitters.h"

#include "text/unicode.h"

namespace invar {
namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr uint8_t kClasses = kLetter | kNumber | kSpace;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), table_(char_classes()) {}

  bool at_end(size_t at) const { return at == text_.size(); }
  char byte(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  struct Char {
    uint8_t cls;     // kLetter, kNumber, kSpace or 0
    uint32_t bytes;  // 0 at the end of the text
  };
  Char peek(size_t at) const {
    if (at >= text_.size()) return {kSpace, 0};
    const CodePoint c = read_code_point(text_, at);
    return {static_cast<uint8_t>(table_[c.value] & kClasses), c.bytes};
  }

  // End of the longest run of characters of exactly this class, from `at`.
  size_t run(size_t at, uint8_t cls) const {
    for (Char c = peek(at); c.bytes && c.cls == cls; c = peek(at)) at += c.bytes;
    return at;
  }

  size_t newlines(size_t at) const {
    while (byte(at) == '\n' || byte(at) == '\r') ++at;
    return at;
  }

  // End of the contraction that starts with the apostrophe at `at`, or `at` when there is none.
  size_t contraction(size_t at, bool ignore_case) const {
    auto letter = [&](size_t i) {
      const char c = byte(i);
      return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    switch (letter(at + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd': return at + 2;
      case 'r':
      case 'v': return letter(at + 2) == 'e' ? at + 3 : at;
      case 'l': return letter(at + 2) == 'l' ? at + 3 : at;
    }
    // U+017F, the long s, folds to s.
    return ignore_case && text_.substr(at + 1, 2) == "\xC5\xBF" ? at + 3 : at;
  }

  // \s+(?!\S)|\s+ from the white space at `at`: the run, less its last character when something follows.
  size_t spaces(size_t at, size_t run_end) const {
    if (at_end(run_end)) return run_end;
    const size_t last = previous_code_point(text_, run_end);
    return last > at ? last : run_end;
  }

 private:
  std::string_view text_;
  const CharClassTable& table_;
};

size_t next_gpt2(const Scanner& s, size_t at) {
  if (s.byte(at) == '\'') {
    if (const size_t end = s.contraction(at, false); end != at) return end;
  }
  const auto first = s.peek(at);
  if (first.cls != kSpace) return s.run(at + first.bytes, first.cls);
  if (s.byte(at) == ' ') {
    const auto second = s.peek(at + 1);
    if (second.cls != kSpace) return s.run(at + 1 + second.bytes, second.cls);
  }
  return s.spaces(at, s.run(at, kSpace));
}

// Llama 3 and Qwen2 differ in how many digits a piece holds.
template <int max_digits>
size_t next_llama3(const Scanner& s, size_t at) {
  const char byte = s.byte(at);
  if (byte == '\'') {
    if (const size_t end = s.contraction(at, true); end != at) return end;
  }
  const auto first = s.peek(at);
  if (first.cls == kLetter) return s.run(at + first.bytes, kLetter);
  if (first.cls == kNumber) {
    size_t end = at + first.bytes;
    for (int digits = 1; digits < max_digits; ++digits) {
      const auto c = s.peek(end);
      if (c.cls != kNumber) break;
      end += c.bytes;
    }
    return end;
  }
  const auto second = s.peek(at + first.bytes);
  if (second.cls == kLetter && byte != '\r' && byte != '\n') {
    return s.run(at + first.bytes + second.bytes, kLetter);
  }
  if (first.cls == 0) return s.newlines(s.run(at + first.bytes, 0));
  if (byte == ' ' && second.cls == 0) return s.newlines(s.run(at + 1 + second.bytes, 0));
  // White space. Up to its last newline if it has one.
  const size_t end = s.run(at, kSpace);
  for (size_t last = end; last > at; --last) {
    if (s.byte(last - 1) == '\n' || s.byte(last - 1) == '\r') return last;
  }
  return s.spaces(at, end);
}

template <class Next>
void split_with(Next next, std::string_view text, size_t base, std::vector<size_t>& ends) {
  const Scanner scanner(text);
  for (size_t at = 0; at < text.size();) {
    at = next(scanner, at);
    ends.push_back(base + at);
  }
}

}  // namespace

std::string_view splitter_pattern(Splitter splitter) {
  switch (splitter) {
    case Splitter::kGpt2: return kGpt2Pattern;
    case Splitter::kLlama3: return kLlama3Pattern;
    case Splitter::kQwen2: break;
  }
  return kQwen2Pattern;
}

std::optional<Splitter> find_splitter(std::string_view pattern) {
  for (Splitter s : {Splitter::kGpt2, Splitter::kLlama3, Splitter::kQwen2}) {
    if (pattern == splitter_pattern(s)) return s;
  }
  return std::nullopt;
}

void split(Splitter splitter, std::string_view text, size_t base, std::vector<size_t>& ends) {
  switch (splitter) {
    case Splitter::kGpt2: return split_with(next_gpt2, text, base, ends);
    case Splitter::kLlama3: return split_with(next_llama3<3>, text, base, ends);
    case Splitter::kQwen2: return split_with(next_llama3<1>, text, base, ends);
  }
}

}  // namespace invar
