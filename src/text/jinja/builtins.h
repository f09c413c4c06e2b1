// Filters, tests, methods and global functions. A builtin names its parameters; binding arguments to them, and the
// errors of a bad call, are the same for all.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace invar::jinja {

class Interpreter;

// One call: `self` is the filtered or tested value, or the object of the method.
struct Call {
  Interpreter& interpreter;
  Budget& budget;
  const char* name;
  const Value& self;
  Arguments arguments;                      // as given; for builtins whose parameters are "*"
  std::vector<std::optional<Value>> bound;  // by parameter, for all others

  bool has(size_t i) const { return bound[i].has_value(); }
  const Value& operator[](size_t i) const { return *bound[i]; }
  int64_t integer(size_t i, int64_t fallback) const;
  const std::string& text(size_t i) const;  // must be a string
  bool flag(size_t i, bool fallback) const { return has(i) ? truthy(*bound[i]) : fallback; }
  bool given(size_t i) const { return has(i) && !bound[i]->is_none(); }  // neither left out nor None
};

struct Builtin {
  const char* name;
  // "old,new,?count": names by comma, ? before optional ones; "/" in front: no keywords; "*": anything.
  const char* parameters;
  Value (*run)(Call& call);
};

const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_global(std::string_view name);
// A method of the value's type, null if there is none. Those that would change it are not there (the sandbox).
const Builtin* find_method(const Value& value, std::string_view name);
bool is_refused_method(const Value& value, std::string_view name);

Value run_builtin(Interpreter& interpreter, const Builtin& builtin, const Value& self, Arguments arguments);

// The tables, one a file.
std::span<const Builtin> string_filters();
std::span<const Builtin> sequence_filters();
std::span<const Builtin> select_filters();
std::span<const Builtin> number_filters();
std::span<const Builtin> value_tests();
std::span<const Builtin> string_methods();
std::span<const Builtin> split_methods();
std::span<const Builtin> dict_methods();
std::span<const Builtin> list_methods();
std::span<const Builtin> loop_methods();
std::span<const Builtin> globals();

}  // namespace invar::jinja
