#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>

#include "text/jinja/budget.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

// Newlines become \n; one at the very end goes, as keep_trailing_newline = false says.
std::string normalize(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

class Lexer {
 public:
  explicit Lexer(std::string text) : text_(std::move(text)) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) root();
    add(Token::Type::kEnd);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_here(std::string message) { throw Failure{std::move(message), line_}; }

  bool looking_at(std::string_view piece) const {
    return std::string_view(text_).substr(at_).starts_with(piece);
  }

  void advance(size_t to) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                         text_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    at_ = to;
  }

  Token& add(Token::Type type, std::string text = {}) {
    tokens_.push_back(Token{type, line_, std::move(text)});
    return tokens_.back();
  }

  size_t skip_space(size_t at) const {
    while (at < text_.size()) {
      size_t next = at;
      if (!is_space(decode(text_, next))) break;
      at = next;
    }
    return at;
  }

  void root();
  void data(size_t end, char sign, bool is_variable);
  size_t raw_begin(size_t tag) const;
  void raw();
  void comment();
  void tag(bool is_variable);
  bool tag_end(bool is_variable);
  void tag_token();
  bool number();
  void name();
  void string();
  size_t escape(size_t at, std::string& out);
  void op();

  std::string text_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
  std::string open_;  // closing brackets awaited
};

// Text up to the next tag, then that tag.
void Lexer::root() {
  size_t begin = at_;
  while ((begin = text_.find('{', begin)) != std::string::npos) {
    const char next = begin + 1 < text_.size() ? text_[begin + 1] : '\0';
    if (next == '%' || next == '{' || next == '#') break;
    ++begin;
  }
  if (begin == std::string::npos) return data(text_.size(), '+', false);
  const char kind = text_[begin + 1];
  const char sign = begin + 2 < text_.size() ? text_[begin + 2] : '\0';
  const size_t raw_end = kind == '%' ? raw_begin(begin) : 0;
  data(begin, sign, kind == '{');
  if (raw_end) {
    advance(raw_end);
    return raw();
  }
  at_ += sign == '-' || sign == '+' ? 3 : 2;
  if (kind == '#') return comment();
  tag(kind == '{');
}

// Adds the text [at_, end) before a tag with this sign, stripped as the sign and lstrip_blocks ask.
void Lexer::data(size_t end, char sign, bool is_variable) {
  std::string_view piece = std::string_view(text_).substr(at_, end - at_);
  if (sign == '-') {
    piece = strip_right(piece, {}, true);
  } else if (sign != '+' && !is_variable) {
    const size_t newline = piece.rfind('\n');
    const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    const bool starts_line = line_begin > 0 || at_ == 0 || text_[at_ - 1] == '\n';
    if (starts_line && strip_left(piece.substr(line_begin), {}, true).empty())
      piece = piece.substr(0, line_begin);
  }
  if (!piece.empty()) add(Token::Type::kData, std::string(piece));
  advance(end);
}

// Where the body of a raw block begins, if the tag at `tag` opens one; else 0.
size_t Lexer::raw_begin(size_t tag) const {
  const std::string_view text = text_;
  size_t at = tag + 2;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  at = skip_space(at);
  if (!text.substr(at).starts_with("raw")) return 0;
  at = skip_space(at + 3);
  if (text.substr(at).starts_with("-%}")) return skip_space(at + 3);
  return text.substr(at).starts_with("%}") ? at + 2 : 0;
}

void Lexer::raw() {
  if (at_ == text_.size()) return;  // jinja2 lets a tag pass that nothing follows
  for (size_t tag = at_; (tag = text_.find("{%", tag)) != std::string::npos; ++tag) {
    size_t at = tag + 2;
    char sign = at < text_.size() ? text_[at] : '\0';
    if (sign == '-' || sign == '+') ++at;
    at = skip_space(at);
    if (!std::string_view(text_).substr(at).starts_with("endraw")) continue;
    at = skip_space(at + 6);
    const std::string_view rest = std::string_view(text_).substr(at);
    size_t end = 0;
    if (rest.starts_with("+%}")) end = at + 3;
    if (rest.starts_with("-%}")) end = skip_space(at + 3);
    if (rest.starts_with("%}")) end = rest.starts_with("%}\n") ? at + 3 : at + 2;
    if (!end) continue;
    data(tag, sign, false);
    return advance(end);
  }
  fail_here("expected {% endraw %}, found the end of the template");
}

void Lexer::comment() {
  if (at_ == text_.size()) return;
  const size_t close = text_.find("#}", at_);
  if (close == std::string::npos) fail_here("expected #}, found the end of the template");
  size_t end = close + 2;
  const char sign = close > at_ ? text_[close - 1] : '\0';
  if (sign == '-') {
    end = skip_space(end);
  } else if (sign != '+' && end < text_.size() && text_[end] == '\n') {
    ++end;
  }
  advance(end);
}

void Lexer::tag(bool is_variable) {
  add(is_variable ? Token::Type::kVariableBegin : Token::Type::kBlockBegin);
  open_.clear();
  while (true) {
    if (open_.empty() && tag_end(is_variable)) return;
    if (at_ >= text_.size()) return;  // the parser names what is missing
    const size_t next = skip_space(at_);
    if (next > at_) {
      advance(next);
    } else {
      tag_token();
    }
  }
}

bool Lexer::tag_end(bool is_variable) {
  const std::string_view close = is_variable ? "}}" : "%}";
  size_t end = 0;
  if (looking_at(close)) {
    end = at_ + 2;
    if (!is_variable && end < text_.size() && text_[end] == '\n') ++end;  // trim_blocks
  } else if (looking_at("-") && text_.compare(at_ + 1, 2, close) == 0) {
    end = skip_space(at_ + 3);
  } else if (!is_variable && looking_at("+%}")) {
    end = at_ + 3;
  } else {
    return false;
  }
  add(is_variable ? Token::Type::kVariableEnd : Token::Type::kBlockEnd);
  advance(end);
  return true;
}

void Lexer::tag_token() {
  const char c = text_[at_];
  if (c >= '0' && c <= '9') {
    if (number()) return;
  }
  size_t next = at_;
  if (is_identifier_part(decode(text_, next))) return name();
  if (c == '\'' || c == '"') return string();
  op();
}

// Digits with single underscores between them; returns where they end.
static size_t digits(std::string_view text, size_t at, bool (*is)(char)) {
  while (at < text.size()) {
    if (is(text[at])) {
      ++at;
    } else if (text[at] == '_' && at + 1 < text.size() && is(text[at + 1])) {
      at += 2;
    } else {
      break;
    }
  }
  return at;
}

bool Lexer::number() {
  const std::string_view text = text_;
  const auto decimal = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_digit_at = [&](size_t at) { return at < text.size() && decimal(text[at]); };
  size_t end = digits(text, at_, decimal);
  bool is_float = false;
  if (at_ == 0 || text[at_ - 1] != '.') {
    if (end < text.size() && text[end] == '.' && is_digit_at(end + 1)) {
      end = digits(text, end + 1, decimal);
      is_float = true;
    }
    if (end < text.size() && (text[end] | 32) == 'e') {
      size_t exponent = end + 1;
      if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
      if (is_digit_at(exponent)) {
        end = digits(text, exponent, decimal);
        is_float = true;
      }
    }
  }
  int base = 10;
  size_t begin = at_;
  if (!is_float && text[at_] == '0') {
    const char kind = at_ + 1 < text.size() ? static_cast<char>(text[at_ + 1] | 32) : '\0';
    bool (*is)(char) = kind == 'x'   ? +[](char c) { return hex_digit(c) >= 0; }
                       : kind == 'o' ? +[](char c) { return c >= '0' && c <= '7'; }
                       : kind == 'b' ? +[](char c) { return c == '0' || c == '1'; }
                                     : nullptr;
    const size_t prefixed = is ? digits(text, at_ + 2, is) : 0;
    if (is && prefixed > at_ + 2) {
      base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
      begin = at_ + 2;
      end = prefixed;
    } else {
      end = digits(
          text, at_, +[](char c) { return c == '0'; });  // 007 is 00, then 7
    }
  }
  std::string plain(text.substr(begin, end - begin));
  std::erase(plain, '_');
  Token token{is_float ? Token::Type::kFloat : Token::Type::kInteger, line_};
  const char* last = plain.data() + plain.size();
  const auto parsed = is_float ? std::from_chars(plain.data(), last, token.number)
                               : std::from_chars(plain.data(), last, token.integer, base);
  if (parsed.ec != std::errc()) fail_here(fmt::format("the number {:.40} does not fit 64 bits", plain));
  tokens_.push_back(std::move(token));
  at_ = end;
  return true;
}

void Lexer::name() {
  size_t end = at_;
  const char first = text_[at_];
  while (end < text_.size()) {
    size_t next = end;
    if (!is_identifier_part(decode(text_, next))) break;
    end = next;
  }
  size_t unused = at_;
  if ((first >= '0' && first <= '9') || is_decimal(decode(text_, unused)))
    fail_here("a name cannot begin with a digit");
  add(Token::Type::kName, text_.substr(at_, end - at_));
  at_ = end;
}

void Lexer::string() {
  const char quote = text_[at_];
  const int line = line_;
  std::string value;
  size_t at = at_ + 1;
  while (at < text_.size() && text_[at] != quote) {
    if (text_[at] == '\\') {
      at = escape(at + 1, value);
    } else {
      value += text_[at++];
    }
  }
  if (at >= text_.size()) fail_here("a string is not closed");
  advance(at + 1);
  add(Token::Type::kString, std::move(value)).line = line;
}

// Python's escapes; an unknown one stays as it is written. `at` is after the backslash.
size_t Lexer::escape(size_t at, std::string& out) {
  if (at >= text_.size()) fail_here("a string is not closed");
  static constexpr std::string_view kFrom = "abfnrtv\\'\"";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
  const char c = text_[at];
  if (const size_t known = kFrom.find(c); known != std::string_view::npos) {
    out += kTo[known];
    return at + 1;
  }
  if (c == '\n') return at + 1;
  if (c >= '0' && c <= '7') {
    char32_t code = 0;
    const size_t end = std::min(at + 3, text_.size());
    for (; at < end && text_[at] >= '0' && text_[at] <= '7'; ++at)
      code = code * 8 + static_cast<char32_t>(text_[at] - '0');
    append_utf8(out, code);
    return at;
  }
  const size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (width) {
    char32_t code = 0;
    for (size_t i = 1; i <= width; ++i) {
      const int digit = at + i < text_.size() ? hex_digit(text_[at + i]) : -1;
      if (digit < 0) fail_here(fmt::format("\\{} needs {} hexadecimal digits", c, width));
      code = code * 16 + static_cast<char32_t>(digit);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      fail_here("an escape names no Unicode character");
    append_utf8(out, code);
    return at + 1 + width;
  }
  if (c == 'N') fail_here("\\N{name} escapes are not supported; write \\u and the code");
  if (static_cast<unsigned char>(c) < 0x80) {
    out += '\\';
    return at;
  }
  const char32_t code = decode(text_, at);  // jinja2 escapes it before it unescapes the string
  out += code < 0x100     ? fmt::format("\\x{:02x}", static_cast<uint32_t>(code))
         : code < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(code))
                          : fmt::format("\\U{:08x}", static_cast<uint32_t>(code));
  return at;
}

void Lexer::op() {
  static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
  static constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
  for (std::string_view two : kTwo) {
    if (!looking_at(two)) continue;
    add(Token::Type::kOperator, std::string(two));
    at_ += 2;
    return;
  }
  const char c = text_[at_];
  if (kOne.find(c) == std::string_view::npos) fail_here(fmt::format("unexpected character at byte {}", at_));
  if (c == '(') open_ += ')';
  if (c == '[') open_ += ']';
  if (c == '{') open_ += '}';
  if (c == ')' || c == ']' || c == '}') {
    if (open_.empty()) fail_here(fmt::format("unexpected '{}'", c));
    if (open_.back() != c) fail_here(fmt::format("unexpected '{}', expected '{}'", c, open_.back()));
    open_.pop_back();
  }
  add(Token::Type::kOperator, std::string(1, c));
  ++at_;
}

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(normalize(source)).run(); }

}  // namespace invar::jinja
