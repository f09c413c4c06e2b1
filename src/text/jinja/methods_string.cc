// Methods of strings but for those that split: Python's str, in Unicode.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/repr.h"
#include "text/jinja/text_functions.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {

Value strip(Call& call, std::string_view text, size_t chars, bool left, bool right) {
  const bool whitespace = !call.given(chars);
  const std::string_view set = whitespace ? std::string_view() : std::string_view(call.text(chars));
  call.budget.step(static_cast<int64_t>(std::min<size_t>(text.size(), 1 << 20) / 64 * (1 + set.size() / 64)));
  if (left) text = strip_left(text, set, whitespace);
  if (right) text = strip_right(text, set, whitespace);
  return make_text(call.budget, std::string(text));
}

std::string replace_all(Budget& budget, std::string_view text, std::string_view from, std::string_view to,
                        int64_t count) {
  Text out(budget);
  size_t at = 0;
  if (from.empty()) {  // between all characters, and at both ends
    while (count != 0) {
      out << to;
      if (count > 0) --count;
      if (at >= text.size()) return out.take();
      const size_t begin = at;
      decode(text, at);
      out << text.substr(begin, at - begin);
    }
  }
  while (count != 0 && !from.empty()) {
    const size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    out << text.substr(at, found - at) << to;
    at = found + from.size();
    if (count > 0) --count;
  }
  out << text.substr(at);
  return out.take();
}

namespace {

const std::string& self(const Call& call) { return call.self.string(); }

Value strip_both(Call& call) { return strip(call, self(call), 0, true, true); }
Value lstrip(Call& call) { return strip(call, self(call), 0, true, false); }
Value rstrip(Call& call) { return strip(call, self(call), 0, false, true); }
Value upper(Call& call) { return make_text(call.budget, to_upper(self(call))); }
Value lower(Call& call) { return make_text(call.budget, to_lower(self(call))); }
Value title(Call& call) { return make_text(call.budget, to_title(self(call))); }
Value capitalize(Call& call) { return make_text(call.budget, to_title_first(self(call))); }

Value swapcase(Call& call) {
  Text out(call.budget);
  for (size_t at = 0; at < self(call).size();) {
    const size_t begin = at;
    const char32_t c = decode(self(call), at);
    const std::string_view letter = std::string_view(self(call)).substr(begin, at - begin);
    out << (is_upper(c) ? to_lower(letter) : is_lower(c) ? to_upper(letter) : std::string(letter));
  }
  return Value(out.take());
}

Value replace(Call& call) {
  return Value(replace_all(call.budget, self(call), call.text(0), call.text(1), call.integer(2, -1)));
}

// The part [begin, end) of a string, in code points, that find and its relatives search. `offset`: its first one.
std::string_view window(const Call& call, size_t first, int64_t& offset, bool& valid) {
  const std::string_view text = self(call);
  call.budget.scan(text.size());
  const int64_t length = code_points(text);
  const auto clamp = [&](int64_t i) { return i < 0 ? std::max<int64_t>(i + length, 0) : i; };
  offset = call.given(first) ? clamp(call.integer(first, 0)) : 0;
  const int64_t end = call.given(first + 1) ? std::min(clamp(call.integer(first + 1, 0)), length) : length;
  valid = offset <= end;
  if (!valid) return {};
  const size_t begin = byte_offset(text, offset);
  return text.substr(begin, byte_offset(text.substr(begin), end - offset));
}

int64_t locate(Call& call, bool from_right) {
  int64_t offset = 0;
  bool valid = false;
  const std::string& needle = call.text(0);
  const std::string_view part = window(call, 1, offset, valid);
  const size_t found = !valid ? std::string_view::npos : from_right ? part.rfind(needle) : part.find(needle);
  return found == std::string_view::npos ? -1 : offset + code_points(part.substr(0, found));
}

Value find(Call& call) { return locate(call, false); }
Value rfind(Call& call) { return locate(call, true); }

Value index_of(Call& call, bool from_right) {
  const int64_t found = locate(call, from_right);
  if (found < 0) fail("the string does not contain '{:.60}'", call.text(0));
  return found;
}
Value index(Call& call) { return index_of(call, false); }
Value rindex(Call& call) { return index_of(call, true); }

Value count(Call& call) {
  int64_t offset = 0;
  bool valid = false;
  const std::string& needle = call.text(0);
  const std::string_view part = window(call, 1, offset, valid);
  if (!valid) return 0;
  if (needle.empty()) return code_points(part) + 1;
  int64_t total = 0;
  for (size_t at = 0; (at = part.find(needle, at)) != std::string_view::npos; at += needle.size()) ++total;
  return total;
}

Value affix(Call& call, bool at_end) {
  int64_t offset = 0;
  bool valid = false;
  const std::string_view part = window(call, 1, offset, valid);
  const auto matches = [&](const Value& piece) {
    if (!piece.is_string())
      fail("{}() needs a string or a tuple of strings, found '{}'", call.name, type_name(piece));
    return valid && (at_end ? part.ends_with(piece.string()) : part.starts_with(piece.string()));
  };
  if (!call[0].is_sequence() || call[0].sequence().type != Sequence::Type::kTuple) return matches(call[0]);
  const auto& pieces = call[0].sequence().items;
  return std::any_of(pieces.begin(), pieces.end(), matches);
}
Value startswith(Call& call) { return affix(call, false); }
Value endswith(Call& call) { return affix(call, true); }

Value removeprefix(Call& call) {
  std::string_view text = self(call);
  if (text.starts_with(call.text(0))) text.remove_prefix(call.text(0).size());
  return make_text(call.budget, std::string(text));
}

Value removesuffix(Call& call) {
  std::string_view text = self(call);
  if (text.ends_with(call.text(0))) text.remove_suffix(call.text(0).size());
  return make_text(call.budget, std::string(text));
}

Value join(Call& call) {
  Text out(call.budget);
  bool first = true;
  for (const Value& item : to_items(call.budget, call[0])) {
    if (!item.is_string())
      fail("join() needs strings, found '{}'; the filter |join takes anything", type_name(item));
    if (!std::exchange(first, false)) out << self(call);
    out << item.string();
  }
  return Value(out.take());
}

Value format(Call& call) { return Value(format_braces(call.interpreter, self(call), call.arguments)); }

Value all_of(const Call& call, bool (*is)(char32_t)) {
  for (size_t at = 0; at < self(call).size();) {
    if (!is(decode(self(call), at))) return false;
  }
  return !self(call).empty();
}
Value isdigit(Call& call) { return all_of(call, is_digit); }
Value isdecimal(Call& call) { return all_of(call, is_decimal); }
Value isnumeric(Call& call) { return all_of(call, is_numeric); }
Value isalpha(Call& call) { return all_of(call, is_alpha); }
Value isspace(Call& call) { return all_of(call, is_space); }
Value isalnum(Call& call) {
  return all_of(call,
                [](char32_t c) { return is_alpha(c) || is_decimal(c) || is_digit(c) || is_numeric(c); });
}
Value islower(Call& call) { return call.interpreter.test("lower", call.self, {}); }
Value isupper(Call& call) { return call.interpreter.test("upper", call.self, {}); }

Value justified(Call& call, int64_t left_share, const std::string& fill) {
  const int64_t length = code_points(self(call));
  if (code_points(fill) != 1) fail("{}() needs one character to fill with", call.name);
  const int64_t width = call.integer(0, 0);
  const int64_t room = width > length ? width - length : 0;
  // str.center puts an odd place left of text in fields of odd width.
  const int64_t left = left_share == 0 ? 0 : left_share == 2 ? room : room / 2 + (room & width & 1);
  Text out(call.budget);
  out.repeat(fill, left);
  out << self(call);
  out.repeat(fill, room - left);
  return Value(out.take());
}
Value ljust(Call& call) { return justified(call, 0, call.has(1) ? call.text(1) : " "); }
Value center(Call& call) { return justified(call, 1, call.has(1) ? call.text(1) : " "); }
Value rjust(Call& call) { return justified(call, 2, call.has(1) ? call.text(1) : " "); }

Value zfill(Call& call) {
  const std::string& text = self(call);
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  Text out(call.budget);
  out << std::string_view(text).substr(0, sign);
  out.repeat("0", call.integer(0, 0) - code_points(text));
  out << std::string_view(text).substr(sign);
  return Value(out.take());
}

constexpr Builtin kStringMethods[] = {
    {"strip", "/?chars", strip_both},
    {"lstrip", "/?chars", lstrip},
    {"rstrip", "/?chars", rstrip},
    {"upper", "", upper},
    {"lower", "", lower},
    {"title", "", title},
    {"capitalize", "", capitalize},
    {"swapcase", "", swapcase},
    {"replace", "/old,new,?count", replace},
    {"find", "/sub,?start,end", find},
    {"rfind", "/sub,?start,end", rfind},
    {"index", "/sub,?start,end", index},
    {"rindex", "/sub,?start,end", rindex},
    {"count", "/sub,?start,end", count},
    {"startswith", "/prefix,?start,end", startswith},
    {"endswith", "/suffix,?start,end", endswith},
    {"removeprefix", "/prefix", removeprefix},
    {"removesuffix", "/suffix", removesuffix},
    {"join", "/items", join},
    {"format", "*", format},
    {"isdigit", "", isdigit},
    {"isdecimal", "", isdecimal},
    {"isnumeric", "", isnumeric},
    {"isalpha", "", isalpha},
    {"isalnum", "", isalnum},
    {"isspace", "", isspace},
    {"islower", "", islower},
    {"isupper", "", isupper},
    {"ljust", "/width,?fill", ljust},
    {"center", "/width,?fill", center},
    {"rjust", "/width,?fill", rjust},
    {"zfill", "/width", zfill},
};

}  // namespace

std::span<const Builtin> string_methods() { return kStringMethods; }

}  // namespace invar::jinja
