// map, select, reject and their relatives: filters that apply filters and tests. Source: jinja2 3.1 filters.py.
#include <charconv>

#include "text/jinja/interpreter.h"
#include "text/jinja/paths.h"

namespace invar::jinja {

std::vector<Value> parse_path(const Value& attribute) {
  std::vector<Value> path;
  if (!attribute.is_string()) {
    path.push_back(attribute);
    return path;
  }
  std::string_view rest = attribute.string();
  while (true) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    int64_t index = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    if (digits && parsed.ec == std::errc()) {
      path.emplace_back(index);
    } else {
      path.emplace_back(part);
    }
    if (dot == std::string_view::npos) return path;
    rest = rest.substr(dot + 1);
  }
}

Value follow_path(Interpreter& interpreter, Value item, const std::vector<Value>& path) {
  for (const Value& part : path) item = interpreter.item(item, part);
  return item;
}

namespace {

// Takes the first positional argument, which names a filter or a test.
std::string take_name(Call& call, const char* what) {
  auto& positional = call.arguments.positional;
  if (positional.empty()) fail("{} needs {}", call.name, what);
  if (!positional[0].is_string())
    fail("{} needs {}, found a '{}'", call.name, what, type_name(positional[0]));
  std::string name = positional[0].string();
  positional.erase(positional.begin());
  return name;
}

Value generator(Call& call, std::vector<Value> items) {
  return make_sequence(call.budget, std::move(items), Sequence::Type::kGenerator);
}

Value map(Call& call) {
  const std::vector<Value> items = to_items(call.budget, call.self);
  std::vector<Value> results;
  auto& named = call.arguments.named;
  if (call.arguments.positional.empty() && !named.empty()) {
    Value attribute, fallback = None{};
    for (auto& [name, value] : named) {
      if (name != "attribute" && name != "default")
        fail("map does not take the keyword argument '{:.60}'", name);
      (name == "attribute" ? attribute : fallback) = value;
    }
    if (attribute.is_undefined()) fail("map needs attribute= or the name of a filter");
    const auto path = parse_path(attribute);
    for (Value item : items) {
      for (const Value& part : path) {
        item = call.interpreter.item(item, part);
        if (item.is_undefined() && !fallback.is_none()) item = fallback;
      }
      results.push_back(std::move(item));
    }
    return generator(call, std::move(results));
  }
  const std::string filter = take_name(call, "attribute= or the name of a filter");
  for (const Value& item : items) results.push_back(call.interpreter.filter(filter, item, call.arguments));
  return generator(call, std::move(results));
}

Value select_or_reject(Call& call, bool by_attribute, bool wanted) {
  std::vector<Value> kept;
  if (!truthy(call.self)) return generator(call, {});
  std::vector<Value> path;
  auto& positional = call.arguments.positional;
  if (by_attribute) {
    if (positional.empty()) fail("{} needs the name of an attribute", call.name);
    path = parse_path(positional[0]);
    positional.erase(positional.begin());
  }
  const std::string test = positional.empty() ? std::string() : take_name(call, "the name of a test");
  for (const Value& item : to_items(call.budget, call.self)) {
    const Value tested = follow_path(call.interpreter, item, path);
    const bool holds = test.empty() ? truthy(tested) : call.interpreter.test(test, tested, call.arguments);
    if (holds == wanted) kept.push_back(item);
  }
  return generator(call, std::move(kept));
}

Value select(Call& call) { return select_or_reject(call, false, true); }
Value reject(Call& call) { return select_or_reject(call, false, false); }
Value selectattr(Call& call) { return select_or_reject(call, true, true); }
Value rejectattr(Call& call) { return select_or_reject(call, true, false); }

Value default_value(Call& call) {
  const bool absent = call.self.is_undefined() || (call.flag(1, false) && !truthy(call.self));
  if (!absent) return call.self;
  return call.has(0) ? call[0] : Value("");
}

Value attr(Call& call) { return call.interpreter.attribute(call.self, call.text(0)); }

constexpr Builtin kSelectFilters[] = {
    {"map", "*", map},
    {"select", "*", select},
    {"reject", "*", reject},
    {"selectattr", "*", selectattr},
    {"rejectattr", "*", rejectattr},
    {"default", "?default_value,boolean", default_value},
    {"d", "?default_value,boolean", default_value},
    {"attr", "name", attr},
};

}  // namespace

std::span<const Builtin> select_filters() { return kSelectFilters; }

}  // namespace invar::jinja
