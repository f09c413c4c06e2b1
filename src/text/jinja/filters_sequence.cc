// Filters on lists and dictionaries. Source: jinja2 3.1 filters.py.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/paths.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

Value generator(Call& call, std::vector<Value> items) {
  return make_sequence(call.budget, std::move(items), Sequence::Type::kGenerator);
}

Value length(Call& call) { return length_of(call.budget, call.self); }
Value list(Call& call) { return make_sequence(call.budget, to_items(call.budget, call.self)); }

Value first(Call& call) {
  if (call.self.is_sequence() && !call.self.sequence().sized()) {
    const Sequence& items = call.self.sequence();
    if (items.consumed < items.items.size()) return items.items[items.consumed++];
    return Value::undefined("No first item, sequence was empty.");
  }
  const std::vector<Value> items = to_items(call.budget, call.self);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(Call& call) {
  if (call.self.is_sequence() && !call.self.sequence().sized())
    fail("a generator has no last item; put |list before |last");
  if (call.self.is_undefined()) fail("{}", call.self.undefined_reason());
  const std::vector<Value> items = to_items(call.budget, call.self);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value reverse(Call& call) {
  std::vector<Value> items = to_items(call.budget, call.self);
  std::reverse(items.begin(), items.end());
  if (!call.self.is_string()) return generator(call, std::move(items));
  Text out(call.budget);
  for (const Value& item : items) out << item.string();
  return Value(out.take());
}

Value ignore_case(Call& call, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return make_text(call.budget, to_lower(value.string()));
}

// A stable sort of items by keys of the same index.
std::vector<Value> sorted(Call& call, const std::vector<Value>& items, const std::vector<Value>& keys,
                          bool descending) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return descending ? less(call.budget, keys[b], keys[a]) : less(call.budget, keys[a], keys[b]);
  });
  std::vector<Value> result;
  for (size_t i : order) result.push_back(items[i]);
  return result;
}

Value sort(Call& call) {
  const std::vector<Value> items = to_items(call.budget, call.self);
  std::vector<std::vector<Value>> paths;  // "a.b,c": by a.b, then by c
  if (call.given(2) && call[2].is_string()) {
    std::string_view rest = call[2].string();
    while (true) {
      const size_t comma = rest.find(',');
      paths.push_back(parse_path(Value(rest.substr(0, comma))));
      if (comma == std::string_view::npos) break;
      rest = rest.substr(comma + 1);
    }
  } else {
    paths.push_back(call.given(2) ? parse_path(call[2]) : std::vector<Value>());
  }
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> key;
    for (const auto& path : paths)
      key.push_back(ignore_case(call, follow_path(call.interpreter, item, path), call.flag(1, false)));
    keys.push_back(make_sequence(call.budget, std::move(key)));
  }
  return make_sequence(call.budget, sorted(call, items, keys, call.flag(0, false)));
}

Value unique(Call& call) {
  const auto path = call.given(1) ? parse_path(call[1]) : std::vector<Value>();
  std::vector<Value> seen, kept;
  for (const Value& item : to_items(call.budget, call.self)) {
    const Value key = ignore_case(call, follow_path(call.interpreter, item, path), call.flag(0, false));
    if (!hashable(key)) fail("unique cannot compare a '{}'", type_name(key));
    const bool known =
        std::any_of(seen.begin(), seen.end(), [&](const Value& old) { return equal(call.budget, old, key); });
    if (known) continue;
    seen.push_back(key);
    kept.push_back(item);
  }
  return generator(call, std::move(kept));
}

Value extreme(Call& call, bool greatest) {
  const auto path = call.given(1) ? parse_path(call[1]) : std::vector<Value>();
  const std::vector<Value> items = to_items(call.budget, call.self);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key;
  for (size_t i = 0; i < items.size(); ++i) {
    Value key = ignore_case(call, follow_path(call.interpreter, items[i], path), call.flag(0, false));
    if (i == 0 || (greatest ? less(call.budget, best_key, key) : less(call.budget, key, best_key))) {
      best = i;
      best_key = std::move(key);
    }
  }
  return items[best];
}

Value min(Call& call) { return extreme(call, false); }
Value max(Call& call) { return extreme(call, true); }

Value sum(Call& call) {
  const auto path = call.given(0) ? parse_path(call[0]) : std::vector<Value>();
  Value total = call.has(1) ? call[1] : Value(0);
  if (total.is_string()) fail("sum cannot add strings; use join");
  for (const Value& item : to_items(call.budget, call.self))
    total = binary(call.budget, "+", total, follow_path(call.interpreter, item, path));
  return total;
}

Value batch(Call& call) {
  const int64_t size = call.integer(0, 1);
  std::vector<Value> rows, row;
  for (const Value& item : to_items(call.budget, call.self)) {
    if (static_cast<int64_t>(row.size()) == size) {
      rows.push_back(make_sequence(call.budget, std::exchange(row, {})));
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    while (call.given(1) && static_cast<int64_t>(row.size()) < size) {
      call.budget.step();
      call.budget.bytes(sizeof(Value));
      row.push_back(call[1]);
    }
    rows.push_back(make_sequence(call.budget, std::move(row)));
  }
  return generator(call, std::move(rows));
}

Value pair(Call& call, const Value& key, const Value& value) {
  return make_sequence(call.budget, {key, value}, Sequence::Type::kTuple);
}

Value items(Call& call) {
  if (call.self.is_undefined()) return generator(call, {});
  if (!call.self.is_dict()) fail("items needs a dictionary, found '{}'", type_name(call.self));
  std::vector<Value> pairs;
  for (const auto& [key, value] : call.self.dict().items) pairs.push_back(pair(call, key, value));
  return generator(call, std::move(pairs));
}

Value dictsort(Call& call) {
  if (call.self.is_undefined()) fail("{}", call.self.undefined_reason());
  if (!call.self.is_dict()) fail("dictsort needs a dictionary, found '{}'", type_name(call.self));
  const bool by_value = call.has(1) && call.text(1) == "value";
  if (call.has(1) && !by_value && call.text(1) != "key") fail("dictsort sorts by 'key' or 'value'");
  std::vector<Value> pairs, keys;
  for (const auto& [key, value] : call.self.dict().items) {
    pairs.push_back(pair(call, key, value));
    keys.push_back(ignore_case(call, by_value ? value : key, call.flag(0, false)));
  }
  return make_sequence(call.budget, sorted(call, pairs, keys, call.flag(2, false)));
}

constexpr Builtin kSequenceFilters[] = {
    {"length", "", length},
    {"count", "", length},
    {"list", "", list},
    {"first", "", first},
    {"last", "", last},
    {"reverse", "", reverse},
    {"sort", "?reverse,case_sensitive,attribute", sort},
    {"unique", "?case_sensitive,attribute", unique},
    {"min", "?case_sensitive,attribute", min},
    {"max", "?case_sensitive,attribute", max},
    {"sum", "?attribute,start", sum},
    {"batch", "linecount,?fill_with", batch},
    {"items", "", items},
    {"dictsort", "?case_sensitive,by,reverse", dictsort},
};

}  // namespace

std::span<const Builtin> sequence_filters() { return kSequenceFilters; }

}  // namespace invar::jinja
