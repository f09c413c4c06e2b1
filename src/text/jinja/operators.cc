#include "text/jinja/operators.h"

#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

[[noreturn]] void overflow(const std::string& op) {
  fail("the result of {} does not fit a 64-bit integer", op);
}

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  if (base == 0 || base == 1 || base == -1)
    return exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base;
  for (int64_t i = 0; i < exponent; ++i) {  // at most 63 rounds: |base| > 1
    if (__builtin_mul_overflow(result, base, &result)) overflow("**");
  }
  return result;
}

Value integers(const std::string& op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) overflow(op);
    return result;
  }
  if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) overflow(op);
    return result;
  }
  if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) overflow(op);
    return result;
  }
  if (op == "**" && b >= 0) return integer_power(a, b);
  if (op == "**") {
    if (a == 0) fail("0 cannot be raised to a negative power");
    return std::pow(static_cast<double>(a), static_cast<double>(b));
  }
  if (b == 0) fail("division by zero");
  if (op == "/") return static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b));
  if (b == -1) {  // INT64_MIN / -1 traps in hardware
    if (op == "%") return 0;
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) overflow(op);
    return result;
  }
  return op == "//" ? floor_divide(a, b) : a - floor_divide(a, b) * b;
}

// CPython's float_divmod: the remainder takes the divisor's sign, and the quotient agrees with it.
Value float_divmod(double a, double b, bool want_quotient) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1.0;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (!want_quotient) return rest;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1.0 : floored;
}

Value floats(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") {
    if (a < 0 && b != std::floor(b) && std::isfinite(b))
      fail("a negative number has no such power (complex numbers are not supported)");
    if (a == 0 && b < 0) fail("0 cannot be raised to a negative power");
    const double result = std::pow(a, b);
    if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) fail("the result of ** is too large");
    return result;
  }
  if (b == 0) fail("division by zero");
  if (op == "/") return a / b;
  return float_divmod(a, b, op == "//");
}

Value join_sequences(Budget& budget, const Sequence& a, const Sequence& b) {
  budget.bytes(static_cast<int64_t>((a.items.size() + b.items.size()) * sizeof(Value)));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return make_sequence(budget, std::move(items), a.type);
}

Value repeat(Budget& budget, const Value& value, int64_t count) {
  if (value.is_string()) {
    Text text(budget);
    text.repeat(value.string(), count);
    return Value(text.take());
  }
  const Sequence& sequence = value.sequence();
  std::vector<Value> items;
  if (count > 0 && !sequence.items.empty()) {
    const auto size = static_cast<int64_t>(sequence.items.size() * sizeof(Value));
    if (count > budget.limits().bytes_max / size)
      fail("limit bytes_max: {} copies of a list exceed {} bytes", count, budget.limits().bytes_max);
    budget.bytes(count * size);
    budget.step(count * static_cast<int64_t>(sequence.items.size()));
    for (int64_t i = 0; i < count; ++i)
      items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  return make_sequence(budget, std::move(items), sequence.type);
}

bool repeatable(const Value& value) {
  return value.is_string() || (value.is_sequence() && (value.sequence().type == Sequence::Type::kList ||
                                                       value.sequence().type == Sequence::Type::kTuple));
}

}  // namespace

Value binary(Budget& budget, const std::string& op, const Value& a, const Value& b) {
  budget.step();
  if (a.is_integer() && b.is_integer()) return integers(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return floats(op, a.number(), b.number());
  if (a.is_undefined()) fail("{}", a.undefined_reason());
  if (op == "%" && a.is_string()) return Value(format_percent(budget, a.string(), b));
  if (b.is_undefined()) fail("{}", b.undefined_reason());
  if (op == "+" && a.is_string() && b.is_string()) {
    Text text(budget);
    text << a.string() << b.string();
    return Value(text.take());
  }
  if (op == "+" && repeatable(a) && repeatable(b) && a.is_sequence() && b.is_sequence() &&
      a.sequence().type == b.sequence().type)
    return join_sequences(budget, a.sequence(), b.sequence());
  if (op == "*" && repeatable(a) && b.is_integer()) return repeat(budget, a, b.integer());
  if (op == "*" && repeatable(b) && a.is_integer()) return repeat(budget, b, a.integer());
  fail("'{}' {} '{}' is not possible", type_name(a), op, type_name(b));
}

Value negative(const Value& value) {
  if (value.is_integer()) return integers("-", 0, value.integer());
  if (value.is_float()) return -value.number();
  if (value.is_undefined()) fail("{}", value.undefined_reason());
  fail("- needs a number, found '{}'", type_name(value));
}

Value positive(const Value& value) {
  if (value.is_integer()) return value.integer();
  if (value.is_float()) return value;
  if (value.is_undefined()) fail("{}", value.undefined_reason());
  fail("+ needs a number, found '{}'", type_name(value));
}

bool contains(Budget& budget, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) fail("'in' a string needs a string, found '{}'", type_name(item));
    budget.scan(container.string().size());
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is_dict()) {
    if (!hashable(item)) fail("a '{}' cannot be a dictionary key", type_name(item));
    return find(budget, container.dict(), item) != nullptr;
  }
  if (!container.is_sequence() && !container.is_undefined())
    fail("'in' needs a container, found '{}'", type_name(container));
  for (const Value& candidate : to_items(budget, container)) {
    if (equal(budget, candidate, item)) return true;
  }
  return false;
}

bool compare(Budget& budget, const std::string& op, const Value& a, const Value& b) {
  if (op == "==") return equal(budget, a, b);
  if (op == "!=") return !equal(budget, a, b);
  if (op == "in") return contains(budget, b, a);
  if (op == "not in") return !contains(budget, b, a);
  const bool nan = (a.is_float() && std::isnan(a.number())) || (b.is_float() && std::isnan(b.number()));
  if (op == "<") return less(budget, a, b);
  if (op == ">") return less(budget, b, a);
  if (op == "<=") return !less(budget, b, a) && !nan;
  return !less(budget, a, b) && !nan;
}

Value slice(Budget& budget, const Value& object, const Slice& slice) {
  if (object.is_undefined()) fail("{}", object.undefined_reason());
  if (!object.is_string() && !(object.is_sequence() && object.sequence().indexable()))
    fail("'{}' cannot be sliced", type_name(object));
  const int64_t step = slice.step.value_or(1);
  if (step == 0) fail("the step of a slice cannot be 0");
  const int64_t length = length_of(budget, object);
  const auto clamp = [&](int64_t index) {  // as PySlice_AdjustIndices
    if (index < 0) index += length;
    if (index < 0) return step < 0 ? int64_t{-1} : int64_t{0};
    if (index >= length) return step < 0 ? length - 1 : length;
    return index;
  };
  const int64_t begin = slice.begin ? clamp(*slice.begin) : step < 0 ? length - 1 : 0;
  const int64_t end = slice.end ? clamp(*slice.end) : step < 0 ? -1 : length;
  if (object.is_string() && step == 1) {
    const std::string& text = object.string();
    const size_t first = byte_offset(text, begin);
    const size_t size = begin < end ? byte_offset(std::string_view(text).substr(first), end - begin) : 0;
    return make_text(budget, text.substr(first, size));
  }
  const std::vector<Value> all = to_items(budget, object);
  std::vector<Value> picked;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    picked.push_back(all[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  if (!object.is_string()) {
    const auto type = object.sequence().type;
    return make_sequence(budget, std::move(picked), type);
  }
  Text text(budget);
  for (const Value& piece : picked) text << piece.string();
  return Value(text.take());
}

}  // namespace invar::jinja
