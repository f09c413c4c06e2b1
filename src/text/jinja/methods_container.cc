// Methods of dictionaries, lists and the loop object. Those that would change a value are not here: the immutable
// sandbox refuses them.
#include <algorithm>

#include "text/jinja/builtins.h"

namespace invar::jinja {
namespace {

Value get(Call& call) {
  if (!hashable(call[0])) fail("a '{}' cannot be a dictionary key", type_name(call[0]));
  if (const Value* found = find(call.budget, call.self.dict(), call[0])) return *found;
  return call.has(1) ? call[1] : Value(None{});
}

Value keys(Call& call) {
  return make_sequence(call.budget, to_items(call.budget, call.self), Sequence::Type::kKeys);
}

Value values(Call& call) {
  std::vector<Value> items;
  for (const auto& [unused, value] : call.self.dict().items) items.push_back(value);
  return make_sequence(call.budget, std::move(items), Sequence::Type::kValues);
}

Value items(Call& call) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : call.self.dict().items)
    pairs.push_back(make_sequence(call.budget, {key, value}, Sequence::Type::kTuple));
  return make_sequence(call.budget, std::move(pairs), Sequence::Type::kItems);
}

Value same(Call& call) { return call.self; }  // a copy of what nobody can change

Value index(Call& call) {
  const auto& list = call.self.sequence().items;
  const auto size = static_cast<int64_t>(list.size());
  const auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  const int64_t end = clamp(call.integer(2, size));
  for (int64_t i = clamp(call.integer(1, 0)); i < end; ++i) {
    if (equal(call.budget, list[static_cast<size_t>(i)], call[0])) return i;
  }
  fail("the list does not contain the value that index() looks for");
}

Value count(Call& call) {
  const auto& list = call.self.sequence().items;
  return static_cast<int64_t>(std::count_if(
      list.begin(), list.end(), [&](const Value& item) { return equal(call.budget, item, call[0]); }));
}

Value cycle(Call& call) {
  const auto& choices = call.arguments.positional;
  if (choices.empty() || !call.arguments.named.empty()) fail("loop.cycle() needs values to choose from");
  return choices[static_cast<size_t>(call.self.loop().index0) % choices.size()];
}

Value changed(Call& call) {
  const Value now = make_sequence(call.budget, call.arguments.positional, Sequence::Type::kTuple);
  Loop& loop = call.self.loop();
  const bool same_as_before = !loop.last_changed.is_undefined() && equal(call.budget, loop.last_changed, now);
  if (!same_as_before) loop.last_changed = now;
  return !same_as_before;
}

constexpr Builtin kDict[] = {
    {"get", "/key,?default", get}, {"keys", "", keys}, {"values", "", values},
    {"items", "", items},          {"copy", "", same},
};
constexpr Builtin kList[] = {
    {"index", "/value,?start,stop", index}, {"count", "/value", count}, {"copy", "", same}};
constexpr Builtin kLoop[] = {{"cycle", "*", cycle}, {"changed", "*", changed}};

}  // namespace

std::span<const Builtin> dict_methods() { return kDict; }
std::span<const Builtin> list_methods() { return kList; }
std::span<const Builtin> loop_methods() { return kLoop; }

}  // namespace invar::jinja
