#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/unicode.h"

namespace invar::jinja {

const std::string& Value::undefined_reason() const {
  static const std::string kUnknown = "an undefined value was used";
  const auto& reason = std::get<Undefined>(data_).reason;
  return reason ? *reason : kUnknown;
}

const void* Value::identity() const {
  return std::visit(
      [](const auto& held) -> const void* {
        if constexpr (requires { held.get(); }) return held.get();
        return nullptr;
      },
      data_);
}

const std::optional<Value>& Loop::peek() {
  while (!after && next < items.size()) {
    const Value& candidate = items[next++];
    if (!accept || accept(candidate)) after = candidate;
  }
  return after;
}

bool Loop::advance() {
  if (!peek()) return false;
  before = std::exchange(current, *after);
  after.reset();
  ++index0;
  return true;
}

int64_t Loop::length() {
  if (known_length) return *known_length;
  const int64_t given = index0 + 1 + (after ? 1 : 0);
  if (accept) {
    std::vector<Value> rest;
    for (; next < items.size(); ++next) {
      if (accept(items[next])) rest.push_back(items[next]);
    }
    items = std::move(rest);
    next = 0;
    accept = nullptr;
  }
  known_length = given + static_cast<int64_t>(items.size() - next);
  return *known_length;
}

int depth_of(const Value& value) {
  if (value.is_sequence()) return value.sequence().depth;
  if (value.is_dict()) return value.dict().depth;
  if (value.is_loop()) return value.loop().depth;
  if (value.is_callable()) return 1 + depth_of(value.callable().self);
  return 0;
}

static int checked_depth(int depth) {
  if (depth > kValueDepthMax) fail("limit value depth: values nest deeper than {}", kValueDepthMax);
  return depth;
}

Value make_sequence(Budget& budget, std::vector<Value> items, Sequence::Type type) {
  budget.step(static_cast<int64_t>(items.size()));
  budget.bytes(static_cast<int64_t>(sizeof(Sequence) + items.size() * sizeof(Value)));
  auto sequence = std::make_shared<Sequence>();
  sequence->type = type;
  for (const Value& item : items) sequence->depth = std::max(sequence->depth, 1 + depth_of(item));
  checked_depth(sequence->depth);
  sequence->items = std::move(items);
  return Value(std::shared_ptr<const Sequence>(std::move(sequence)));
}

Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items) {
  budget.step(static_cast<int64_t>(items.size()));
  budget.bytes(static_cast<int64_t>(sizeof(Dict) + items.size() * 2 * sizeof(Value)));
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, value] : items)
    dict->depth = std::max({dict->depth, 1 + depth_of(key), 1 + depth_of(value)});
  checked_depth(dict->depth);
  dict->items = std::move(items);
  return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Value make_text(Budget& budget, std::string text) {
  budget.scan(text.size());
  budget.bytes(static_cast<int64_t>(text.size()));
  return Value(std::move(text));
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_integer()) return value.integer() != 0;
  if (value.is_float()) return value.number() != 0;
  if (value.is_string()) return !value.string().empty();
  if (value.is_sequence()) return !value.sequence().sized() || !value.sequence().items.empty();
  if (value.is_dict()) return !value.dict().items.empty();
  if (value.is_loop()) return value.loop().length() != 0;
  return true;
}

std::string type_name(const Value& value) {
  if (value.is_sequence()) {
    static const char* const kNames[] = {"list",        "tuple",      "range",    "dict_keys",
                                         "dict_values", "dict_items", "generator"};
    return kNames[static_cast<int>(value.sequence().type)];
  }
  static const char* const kNames[] = {"Undefined", "NoneType", "bool",      "int",      "float",      "str",
                                       "list",      "dict",     "Namespace", "function", "LoopContext"};
  return kNames[value.index()];
}

// Exact where a double cannot hold the integer: x86's long double has 64 bits of mantissa.
static long double exact(const Value& value) {
  return value.is_float() ? static_cast<long double>(value.number())
                          : static_cast<long double>(value.integer());
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  budget.step();
  if (a.is_number() && b.is_number()) return exact(a) == exact(b);
  if (a.index() != b.index()) return false;
  if (a.is_string()) {
    budget.scan(std::min(a.string().size(), b.string().size()));
    return a.string() == b.string();
  }
  if (a.is_sequence()) {
    const Sequence& x = a.sequence();
    const Sequence& y = b.sequence();
    if (&x == &y) return true;
    if (x.type != y.type || !x.indexable() || x.items.size() != y.items.size()) return false;
    for (size_t i = 0; i < x.items.size(); ++i) {
      if (!equal(budget, x.items[i], y.items[i])) return false;
    }
    return true;
  }
  if (a.is_dict()) {
    if (a.dict().items.size() != b.dict().items.size()) return false;
    for (const auto& [key, value] : a.dict().items) {
      const Value* other = find(budget, b.dict(), key);
      if (!other || !equal(budget, value, *other)) return false;
    }
    return true;
  }
  if (a.is_callable()) {
    const Callable& x = a.callable();
    const Callable& y = b.callable();
    return &x == &y || (x.builtin && x.builtin == y.builtin && x.self.identity() == y.self.identity());
  }
  return a.identity() == b.identity();  // undefined and None have none: equal
}

bool less(Budget& budget, const Value& a, const Value& b) {
  budget.step();
  if (a.is_number() && b.is_number()) return exact(a) < exact(b);
  if (a.is_string() && b.is_string()) {  // UTF-8 orders as its code points do
    budget.scan(std::min(a.string().size(), b.string().size()));
    return a.string() < b.string();
  }
  if (a.is_sequence() && b.is_sequence() && a.sequence().type == b.sequence().type &&
      (a.sequence().type == Sequence::Type::kList || a.sequence().type == Sequence::Type::kTuple)) {
    const auto& x = a.sequence().items;
    const auto& y = b.sequence().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(budget, x[i], y[i])) return less(budget, x[i], y[i]);
    }
    return x.size() < y.size();
  }
  if (a.is_undefined()) fail("{}", a.undefined_reason());
  if (b.is_undefined()) fail("{}", b.undefined_reason());
  fail("'{}' and '{}' have no order", type_name(a), type_name(b));
}

bool hashable(const Value& value) {
  if (value.is_dict()) return false;
  if (!value.is_sequence()) return true;
  const Sequence& sequence = value.sequence();
  if (sequence.type == Sequence::Type::kTuple)
    return std::all_of(sequence.items.begin(), sequence.items.end(), hashable);
  return sequence.type == Sequence::Type::kRange;
}

const Value* find(Budget& budget, const Dict& dict, const Value& key) {
  for (const auto& [name, value] : dict.items) {
    if (equal(budget, name, key)) return &value;
  }
  return nullptr;
}

void insert(Budget& budget, std::vector<std::pair<Value, Value>>& items, Value key, Value value) {
  if (!hashable(key)) fail("a '{}' cannot be a dictionary key", type_name(key));
  for (auto& [name, old] : items) {
    if (equal(budget, name, key)) {
      old = std::move(value);
      return;
    }
  }
  budget.bytes(2 * sizeof(Value));
  items.emplace_back(std::move(key), std::move(value));
}

std::vector<Value> to_items(Budget& budget, const Value& value) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.is_string()) {
    const std::string& text = value.string();
    budget.step(static_cast<int64_t>(text.size()));
    budget.bytes(static_cast<int64_t>(text.size() * (sizeof(Value) + 48)));  // 48: a one-character string
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      decode(text, at);
      items.emplace_back(text.substr(begin, at - begin));
    }
    return items;
  }
  if (value.is_sequence()) {
    const Sequence& sequence = value.sequence();
    const size_t begin = sequence.type == Sequence::Type::kGenerator ? sequence.consumed : 0;
    budget.step(static_cast<int64_t>(sequence.items.size() - begin));
    budget.bytes(static_cast<int64_t>((sequence.items.size() - begin) * sizeof(Value)));
    items.assign(sequence.items.begin() + static_cast<ptrdiff_t>(begin), sequence.items.end());
    if (!sequence.sized()) sequence.consumed = sequence.items.size();
    return items;
  }
  if (value.is_dict()) {
    budget.step(static_cast<int64_t>(value.dict().items.size()));
    budget.bytes(static_cast<int64_t>(value.dict().items.size() * sizeof(Value)));
    for (const auto& [key, unused] : value.dict().items) items.push_back(key);
    return items;
  }
  fail("'{}' cannot be iterated", type_name(value));
}

int64_t length_of(Budget& budget, const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_string()) {
    budget.scan(value.string().size());
    return code_points(value.string());
  }
  if (value.is_sequence() && value.sequence().sized())
    return static_cast<int64_t>(value.sequence().items.size());
  if (value.is_dict()) return static_cast<int64_t>(value.dict().items.size());
  if (value.is_loop()) return value.loop().length();
  if (value.is_sequence()) fail("a generator has no length; put |list before |length");
  fail("'{}' has no length", type_name(value));
}

}  // namespace invar::jinja
