#include "text/jinja/builtins.h"

#include <algorithm>

#include "text/jinja/interpreter.h"

namespace invar::jinja {
namespace {

const Builtin* find_in(std::span<const Builtin> table, std::string_view name) {
  for (const Builtin& builtin : table) {
    if (name == builtin.name) return &builtin;
  }
  return nullptr;
}

// Arguments by parameter, as Python binds them.
std::vector<std::optional<Value>> bind(const Builtin& builtin, Arguments arguments) {
  std::string_view rest = builtin.parameters;
  const bool keywords = !rest.starts_with('/');
  if (!keywords) rest.remove_prefix(1);
  std::vector<std::optional<Value>> bound;
  bool optional = false;
  size_t named_used = 0;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string_view name = rest.substr(0, comma);
    rest = comma == rest.size() ? std::string_view() : rest.substr(comma + 1);
    if (name.starts_with('?')) {
      optional = true;
      name.remove_prefix(1);
    }
    const size_t i = bound.size();
    auto& slot = bound.emplace_back();
    if (i < arguments.positional.size()) slot = std::move(arguments.positional[i]);
    for (auto& [given, value] : arguments.named) {
      if (!keywords || given != name) continue;
      if (slot) fail("{}() got '{}' twice", builtin.name, name);
      slot = std::move(value);
      ++named_used;
    }
    if (!slot && !optional) fail("{}() needs the argument '{}'", builtin.name, name);
  }
  if (arguments.positional.size() > bound.size())
    fail("{}() takes at most {} arguments, found {}", builtin.name, bound.size(),
         arguments.positional.size());
  if (named_used != arguments.named.size())
    fail("{}() does not take the keyword argument '{:.60}'", builtin.name, arguments.named[0].first);
  return bound;
}

}  // namespace

int64_t Call::integer(size_t i, int64_t fallback) const {
  if (!has(i)) return fallback;
  if (!bound[i]->is_integer()) fail("{}() needs an integer, found '{}'", name, type_name(*bound[i]));
  return bound[i]->integer();
}

const std::string& Call::text(size_t i) const {
  if (!bound[i]->is_string()) fail("{}() needs a string, found '{}'", name, type_name(*bound[i]));
  return bound[i]->string();
}

const Builtin* find_filter(std::string_view name) {
  for (const auto table : {string_filters(), sequence_filters(), select_filters(), number_filters()}) {
    if (const Builtin* found = find_in(table, name)) return found;
  }
  return nullptr;
}

const Builtin* find_test(std::string_view name) { return find_in(value_tests(), name); }
const Builtin* find_global(std::string_view name) { return find_in(globals(), name); }

const Builtin* find_method(const Value& value, std::string_view name) {
  if (value.is_string()) {
    const Builtin* found = find_in(string_methods(), name);
    return found ? found : find_in(split_methods(), name);
  }
  if (value.is_dict()) return find_in(dict_methods(), name);
  if (value.is_loop()) return find_in(loop_methods(), name);
  if (value.is_sequence() && value.sequence().indexable()) {
    if (value.sequence().type == Sequence::Type::kList || name != "copy")
      return find_in(list_methods(), name);
  }
  return nullptr;
}

bool is_refused_method(const Value& value, std::string_view name) {
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  static constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                               "insert", "sort",  "extend", "remove"};
  if (value.is_dict()) return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  if (value.is_sequence() && value.sequence().type == Sequence::Type::kList)
    return std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
  return false;
}

Value run_builtin(Interpreter& interpreter, const Builtin& builtin, const Value& self, Arguments arguments) {
  Call call{interpreter, interpreter.budget(), builtin.name, self, {}, {}};
  call.budget.step();
  if (std::string_view(builtin.parameters) == "*") {
    call.arguments = std::move(arguments);
  } else {
    call.bound = bind(builtin, std::move(arguments));
  }
  return builtin.run(call);
}

}  // namespace invar::jinja
