// Functions that every template sees: jinja2's range, dict and namespace, and Hugging Face's raise_exception and
// strftime_now.
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/repr.h"

namespace invar::jinja {
namespace {

Value range(Call& call) {
  const bool one = !call.has(1);
  const int64_t begin = one ? 0 : call.integer(0, 0);
  const int64_t end = one ? call.integer(0, 0) : call.integer(1, 0);
  const int64_t step = call.integer(2, 1);
  if (step == 0) fail("range() needs a step other than 0");
  const int64_t limit = call.budget.limits().range_items_max;
  std::vector<Value> items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(items.size()) == limit)
      fail("limit range_items_max: a range is longer than {}", limit);
    items.emplace_back(i);
    call.budget.step();
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_sequence(call.budget, std::move(items), Sequence::Type::kRange);
}

// The items of dict(mapping or pairs, name=value, ...), which namespace() takes too.
std::vector<std::pair<Value, Value>> dict_items(Call& call) {
  std::vector<std::pair<Value, Value>> items;
  const auto& positional = call.arguments.positional;
  if (positional.size() > 1)
    fail("{}() takes at most one positional argument, found {}", call.name, positional.size());
  if (positional.size() == 1 && positional[0].is_dict()) {
    items = positional[0].dict().items;
  } else if (positional.size() == 1) {
    for (const Value& entry : to_items(call.budget, positional[0])) {
      std::vector<Value> pair = to_items(call.budget, entry);
      if (pair.size() != 2) fail("{}() needs pairs, found {} values", call.name, pair.size());
      insert(call.budget, items, std::move(pair[0]), std::move(pair[1]));
    }
  }
  for (const auto& [name, value] : call.arguments.named) insert(call.budget, items, Value(name), value);
  return items;
}

Value dict(Call& call) { return make_dict(call.budget, dict_items(call)); }

Value name_space(Call& call) {
  std::vector<std::pair<std::string, Value>> attributes;
  for (auto& [key, value] : dict_items(call)) {
    if (!key.is_string()) fail("namespace() needs string keys, found '{}'", type_name(key));
    attributes.emplace_back(key.string(), std::move(value));
  }
  return call.interpreter.make_namespace(std::move(attributes));
}

Value raise_exception(Call& call) {
  fail("the template refuses this conversation: {:.2000}", to_text(call.budget, call[0]));
}

Value strftime_now(Call& call) {
  if (!call.interpreter.now())
    fail(
        "the template asks for today's date, which a reproducible prompt cannot look up; pass a date with "
        "the request");
  return Value(strftime(call.budget, *call.interpreter.now(), call.text(0)));
}

constexpr Builtin kGlobals[] = {
    {"range", "/start,?stop,step", range},    {"dict", "*", dict},
    {"namespace", "*", name_space},           {"raise_exception", "message", raise_exception},
    {"strftime_now", "format", strftime_now},
};

}  // namespace

std::span<const Builtin> globals() { return kGlobals; }

}  // namespace invar::jinja
