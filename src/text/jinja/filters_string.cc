// Filters on text. Source: jinja2 3.1 filters.py; there is no Markup type, so `safe` and `escape` give plain strings.
#include "text/jinja/format.h"
#include "text/jinja/json.h"
#include "text/jinja/paths.h"
#include "text/jinja/repr.h"
#include "text/jinja/text_functions.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

std::string self_text(Call& call) { return to_text(call.budget, call.self); }

Value upper(Call& call) { return make_text(call.budget, to_upper(self_text(call))); }
Value lower(Call& call) { return make_text(call.budget, to_lower(self_text(call))); }
Value capitalize(Call& call) { return make_text(call.budget, to_title_first(self_text(call))); }
Value string(Call& call) { return Value(self_text(call)); }
Value trim(Call& call) { return strip(call, self_text(call), 0, true, true); }

// Words begin after whitespace and -({[<.
Value title(Call& call) {
  const std::string text = self_text(call);
  Text out(call.budget);
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    if (word.empty()) return;
    size_t first = 0;
    decode(word, first);
    out << to_upper(word.substr(0, first)) << to_lower(word.substr(first));
  };
  for (size_t at = 0; at < text.size();) {
    const size_t here = at;
    const char32_t c = decode(text, at);
    const bool separates = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    if (!separates) continue;
    flush(here);
    out << std::string_view(text).substr(here, at - here);
    begin = at;
  }
  flush(text.size());
  return Value(out.take());
}

Value replace(Call& call) {
  const int64_t count = call.given(2) ? call.integer(2, -1) : -1;
  return Value(replace_all(call.budget, self_text(call), to_text(call.budget, call[0]),
                           to_text(call.budget, call[1]), count));
}

Value escape(Call& call) {
  Text out(call.budget);
  for (char c : self_text(call)) {
    switch (c) {
      case '&': out << "&amp;"; break;
      case '<': out << "&lt;"; break;
      case '>': out << "&gt;"; break;
      case '"': out << "&#34;"; break;
      case '\'': out << "&#39;"; break;
      default: out << std::string_view(&c, 1);
    }
  }
  return Value(out.take());
}

Value indent(Call& call) {
  if (!call.self.is_string()) fail("indent needs a string, found '{}'", type_name(call.self));
  std::string indention;
  if (call.has(0) && call[0].is_string()) {
    indention = call[0].string();
  } else {
    Text spaces(call.budget);
    spaces.repeat(" ", call.integer(0, 4));
    indention = spaces.take();
  }
  const bool blank = call.flag(2, false);
  Text out(call.budget);
  if (call.flag(1, false)) out << indention;
  const std::string text = call.self.string() + "\n";
  const auto lines = split_lines(text, false);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i) out << "\n";
    if (i && (blank || !lines[i].empty())) out << indention;
    out << lines[i];
  }
  return Value(out.take());
}

Value format(Call& call) {
  if (!call.arguments.named.empty() && !call.arguments.positional.empty())
    fail("format takes positional or keyword arguments, not both");
  Value values;
  if (call.arguments.named.empty()) {
    values = make_sequence(call.budget, call.arguments.positional, Sequence::Type::kTuple);
  } else {
    std::vector<std::pair<Value, Value>> items;
    for (const auto& [name, value] : call.arguments.named) items.emplace_back(Value(name), value);
    values = make_dict(call.budget, std::move(items));
  }
  return Value(format_percent(call.budget, self_text(call), values));
}

Value join(Call& call) {
  const std::string separator = call.has(0) ? to_text(call.budget, call[0]) : std::string();
  const auto path = call.given(1) ? parse_path(call[1]) : std::vector<Value>();
  Text out(call.budget);
  bool first = true;
  for (const Value& item : to_items(call.budget, call.self)) {
    if (!std::exchange(first, false)) out << separator;
    out << to_text(call.budget, follow_path(call.interpreter, item, path));
  }
  return Value(out.take());
}

// json.dumps(x, ensure_ascii, indent, separators, sort_keys), as Hugging Face defines it; no HTML escapes.
Value tojson(Call& call) {
  JsonStyle style;
  style.ensure_ascii = call.flag(0, false);
  if (call.given(1)) {
    style.item_separator = ",";
    if (call[1].is_string()) {
      style.indent = call[1].string();
    } else {
      Text spaces(call.budget);
      spaces.repeat(" ", call.integer(1, 0));
      style.indent = spaces.take();
    }
  }
  if (call.given(2)) {
    const std::vector<Value> separators = to_items(call.budget, call[2]);
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string())
      fail("the separators of tojson are two strings");
    style.item_separator = separators[0].string();
    style.key_separator = separators[1].string();
  }
  style.sort_keys = call.flag(3, false);
  return Value(to_json(call.budget, call.self, style));
}

Value wordcount(Call& call) {
  int64_t words = 0;
  bool inside = false;
  const std::string text = self_text(call);
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    const bool word = c == '_' || is_alpha(c) || is_numeric(c);
    if (word && !inside) ++words;
    inside = word;
  }
  return words;
}

constexpr Builtin kStringFilters[] = {
    {"upper", "", upper},
    {"lower", "", lower},
    {"capitalize", "", capitalize},
    {"title", "", title},
    {"trim", "?chars", trim},
    {"string", "", string},
    {"safe", "", string},
    {"escape", "", escape},
    {"e", "", escape},
    {"replace", "old,new,?count", replace},
    {"indent", "?width,first,blank", indent},
    {"format", "*", format},
    {"join", "?d,attribute", join},
    {"tojson", "?ensure_ascii,indent,separators,sort_keys", tojson},
    {"wordcount", "", wordcount},
};

}  // namespace

std::span<const Builtin> string_filters() { return kStringFilters; }

}  // namespace invar::jinja
