// Methods that cut strings: split, rsplit, splitlines, partition.
#include <algorithm>

#include "text/jinja/text_functions.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t c = decode(text, at);
    if (!is_line_break(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

namespace {

using Pieces = std::vector<std::string_view>;

Value list_of(Call& call, const Pieces& pieces, Sequence::Type type = Sequence::Type::kList) {
  std::vector<Value> items;
  for (std::string_view piece : pieces) {
    call.budget.bytes(static_cast<int64_t>(sizeof(std::string) + sizeof(Value)));
    items.push_back(make_text(call.budget, std::string(piece)));
  }
  return make_sequence(call.budget, std::move(items), type);
}

// Runs of whitespace separate; none at the ends.
Pieces split_space(std::string_view text, int64_t most) {
  Pieces pieces;
  text = strip_left(text, {}, true);
  while (!text.empty()) {
    if (static_cast<int64_t>(pieces.size()) == most) {
      pieces.push_back(text);  // as it is, spaces behind it too
      break;
    }
    size_t end = 0;
    for (size_t at = 0; at < text.size(); end = at) {
      if (is_space(decode(text, at))) break;
    }
    pieces.push_back(text.substr(0, end));
    text = strip_left(text.substr(end), {}, true);
  }
  return pieces;
}

Pieces rsplit_space(std::string_view text, int64_t most) {
  Pieces pieces;  // from the right
  text = strip_right(text, {}, true);
  while (!text.empty()) {
    if (static_cast<int64_t>(pieces.size()) == most) {
      pieces.push_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      size_t previous = begin - 1;
      while (previous > 0 && (text[previous] & 0xC0) == 0x80) --previous;
      size_t at = previous;
      if (is_space(decode(text, at))) break;
      begin = previous;
    }
    pieces.push_back(text.substr(begin));
    text = strip_right(text.substr(0, begin), {}, true);
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Pieces split_at(std::string_view text, std::string_view separator, int64_t most) {
  Pieces pieces;
  while (static_cast<int64_t>(pieces.size()) != most) {
    const size_t found = text.find(separator);
    if (found == std::string_view::npos) break;
    pieces.push_back(text.substr(0, found));
    text.remove_prefix(found + separator.size());
  }
  pieces.push_back(text);
  return pieces;
}

Pieces rsplit_at(std::string_view text, std::string_view separator, int64_t most) {
  Pieces pieces;  // from the right
  while (static_cast<int64_t>(pieces.size()) != most) {
    const size_t found = text.rfind(separator);
    if (found == std::string_view::npos) break;
    pieces.push_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
  }
  pieces.push_back(text);
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Value split_either(Call& call, bool from_right) {
  const std::string& text = call.self.string();
  call.budget.scan(text.size());
  int64_t most = call.integer(1, -1);
  if (most < 0) most = -1;
  if (!call.given(0)) return list_of(call, from_right ? rsplit_space(text, most) : split_space(text, most));
  const std::string& separator = call.text(0);
  if (separator.empty()) fail("{}() needs a separator that is not empty", call.name);
  return list_of(call, from_right ? rsplit_at(text, separator, most) : split_at(text, separator, most));
}
Value split(Call& call) { return split_either(call, false); }
Value rsplit(Call& call) { return split_either(call, true); }

Value splitlines(Call& call) { return list_of(call, split_lines(call.self.string(), call.flag(0, false))); }

Value partition_at(Call& call, bool from_right) {
  const std::string_view text = call.self.string();
  const std::string& separator = call.text(0);
  if (separator.empty()) fail("{}() needs a separator that is not empty", call.name);
  const size_t found = from_right ? text.rfind(separator) : text.find(separator);
  Pieces pieces = {text, "", ""};
  if (found != std::string_view::npos) {
    pieces = {text.substr(0, found), separator, text.substr(found + separator.size())};
  } else if (from_right) {
    pieces = {"", "", text};
  }
  return list_of(call, pieces, Sequence::Type::kTuple);
}
Value partition(Call& call) { return partition_at(call, false); }
Value rpartition(Call& call) { return partition_at(call, true); }

constexpr Builtin kSplitMethods[] = {
    {"split", "?sep,maxsplit", split},       {"rsplit", "?sep,maxsplit", rsplit},
    {"splitlines", "?keepends", splitlines}, {"partition", "/sep", partition},
    {"rpartition", "/sep", rpartition},
};

}  // namespace

std::span<const Builtin> split_methods() { return kSplitMethods; }

}  // namespace invar::jinja
