// The values of a template: what Python's objects are to jinja2. Cheap to copy; all but Namespace and Loop are
// immutable once made, as the immutable sandbox of the chat templates wants it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/budget.h"

namespace invar::jinja {

struct Sequence;
struct Dict;
struct Namespace;
struct Callable;
struct Loop;

struct Undefined {
  std::shared_ptr<const std::string> reason;  // what a use of it reports; null: no reason known
};
struct None {};

class Value {
 public:
  Value() = default;  // undefined
  Value(None) : data_(None{}) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(int64_t{value}) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(std::shared_ptr<const Sequence> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Dict> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Namespace> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Callable> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Loop> value) : data_(std::move(value)) {}
  template <class T>
  Value(T*) = delete;  // a pointer is no bool

  static Value undefined(std::string reason) {
    Value value;
    value.data_ = Undefined{std::make_shared<const std::string>(std::move(reason))};
    return value;
  }

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const {
    return std::holds_alternative<int64_t>(data_) || is_bool();
  }  // Python: bool is an int
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_integer() || is_float(); }
  bool is_string() const { return index() == 5; }
  bool is_sequence() const { return index() == 6; }
  bool is_dict() const { return index() == 7; }
  bool is_namespace() const { return index() == 8; }
  bool is_callable() const { return index() == 9; }
  bool is_loop() const { return index() == 10; }
  size_t index() const { return data_.index(); }

  // Each requires its kind.
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return is_bool() ? int64_t{boolean()} : std::get<int64_t>(data_); }
  double number() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }
  const std::string& string() const { return *std::get<5>(data_); }
  const Sequence& sequence() const { return *std::get<6>(data_); }
  const Dict& dict() const { return *std::get<7>(data_); }
  Namespace& name_space() const { return *std::get<8>(data_); }
  const Callable& callable() const { return *std::get<9>(data_); }
  Loop& loop() const { return *std::get<10>(data_); }
  const std::string& undefined_reason() const;

  const void* identity() const;  // of what it points to; null for scalars

 private:
  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>, std::shared_ptr<Loop>>
      data_;
};

struct Sequence {
  enum class Type { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };
  Type type = Type::kList;
  std::vector<Value> items;
  int depth = 1;
  mutable size_t consumed = 0;  // generators only: an item is given out once

  bool indexable() const { return type == Type::kList || type == Type::kTuple || type == Type::kRange; }
  bool sized() const { return type != Type::kGenerator; }
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // insertion order
  int depth = 1;
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Scope;
struct Statement;
struct Builtin;

// A function, a method bound to its value, or a macro bound to the scope it was defined in.
struct Callable {
  std::string name;
  Value self;
  const Builtin* builtin = nullptr;
  const Statement* macro = nullptr;
  Scope* scope = nullptr;
};

// The `loop` variable. Filtered loops ask `accept` for one item ahead, as jinja2's generators do: a test may
// read a namespace that the body writes.
struct Loop {
  std::vector<Value> items;
  size_t next = 0;
  std::function<bool(const Value&)> accept;
  int64_t index0 = -1;
  Value current, before, last_changed;
  std::optional<Value> after;
  std::optional<int64_t> known_length;
  int depth = 1;

  const std::optional<Value>& peek();
  bool advance();
  int64_t length();
};

Value make_sequence(Budget& budget, std::vector<Value> items, Sequence::Type type = Sequence::Type::kList);
Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items);  // keys distinct and hashable
Value make_text(Budget& budget, std::string text);

int depth_of(const Value& value);
bool truthy(const Value& value);
std::string type_name(const Value& value);  // Python's: "str", "int", "dict", ...

// ==. Numbers compare by value across types; lists and tuples differ; undefined equals undefined.
bool equal(Budget& budget, const Value& a, const Value& b);
// a < b; an error for types that Python does not order.
bool less(Budget& budget, const Value& a, const Value& b);

const Value* find(Budget& budget, const Dict& dict, const Value& key);
// Adds or replaces; an unhashable key is an error.
void insert(Budget& budget, std::vector<std::pair<Value, Value>>& items, Value key, Value value);
bool hashable(const Value& value);

// What iteration gives: characters, items, keys. An error for what Python does not iterate.
std::vector<Value> to_items(Budget& budget, const Value& value);
int64_t length_of(Budget& budget, const Value& value);

}  // namespace invar::jinja
