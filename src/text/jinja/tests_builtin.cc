// What `is` asks. Source: jinja2 3.1 tests.py.
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/repr.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {
namespace {

Value defined(Call& call) { return !call.self.is_undefined(); }
Value undefined(Call& call) { return call.self.is_undefined(); }
Value none(Call& call) { return call.self.is_none(); }
Value boolean(Call& call) { return call.self.is_bool(); }
Value is_true(Call& call) { return call.self.is_bool() && call.self.boolean(); }
Value is_false(Call& call) { return call.self.is_bool() && !call.self.boolean(); }
Value integer(Call& call) { return call.self.is_integer() && !call.self.is_bool(); }
Value is_float(Call& call) { return call.self.is_float(); }
Value number(Call& call) { return call.self.is_number(); }
Value string(Call& call) { return call.self.is_string(); }
Value mapping(Call& call) { return call.self.is_dict(); }
Value is_callable(Call& call) {
  return call.self.is_callable() || call.self.is_undefined() || call.self.is_loop();
}
Value escaped(Call& call) { return false; }
Value filter(Call& call) { return call.self.is_string() && find_filter(call.self.string()); }
Value test(Call& call) { return call.self.is_string() && find_test(call.self.string()); }

Value sequence(Call& call) {
  return call.self.is_undefined() || call.self.is_string() || call.self.is_dict() ||
         (call.self.is_sequence() && call.self.sequence().indexable());
}

Value iterable(Call& call) {
  return call.self.is_undefined() || call.self.is_string() || call.self.is_dict() ||
         call.self.is_sequence() || call.self.is_loop();
}

Value remainder(Call& call, const Value& divisor, int64_t wanted) {
  return equal(call.budget, binary(call.budget, "%", call.self, divisor), wanted);
}
Value odd(Call& call) { return remainder(call, 2, 1); }
Value even(Call& call) { return remainder(call, 2, 0); }
Value divisibleby(Call& call) { return remainder(call, call[0], 0); }

Value cased(Call& call, bool (*wanted)(char32_t), bool (*other)(char32_t)) {
  const std::string text = to_text(call.budget, call.self);
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (other(c)) return false;
    any |= wanted(c);
  }
  return any;
}
Value lower(Call& call) { return cased(call, is_lower, is_upper); }
Value upper(Call& call) { return cased(call, is_upper, is_lower); }

Value sameas(Call& call) {
  const Value& a = call.self;
  const Value& b = call[0];
  if (a.index() != b.index()) return false;
  if (a.is_string() || a.is_number()) return equal(call.budget, a, b);
  return a.identity() == b.identity();
}

template <char kFirst, char kSecond>
Value compared(Call& call) {
  static const std::string op = kSecond ? std::string{kFirst, kSecond} : std::string{kFirst};
  return compare(call.budget, op, call.self, call[0]);
}

Value in(Call& call) { return contains(call.budget, call[0], call.self); }

constexpr Builtin kTests[] = {
    {"defined", "", defined},
    {"undefined", "", undefined},
    {"none", "", none},
    {"boolean", "", boolean},
    {"true", "", is_true},
    {"false", "", is_false},
    {"integer", "", integer},
    {"float", "", is_float},
    {"number", "", number},
    {"string", "", string},
    {"mapping", "", mapping},
    {"sequence", "", sequence},
    {"iterable", "", iterable},
    {"callable", "", is_callable},
    {"escaped", "", escaped},
    {"filter", "", filter},
    {"test", "", test},
    {"odd", "", odd},
    {"even", "", even},
    {"divisibleby", "num", divisibleby},
    {"lower", "", lower},
    {"upper", "", upper},
    {"sameas", "other", sameas},
    {"in", "seq", in},
    {"==", "/other", compared<'=', '='>},
    {"eq", "/other", compared<'=', '='>},
    {"equalto", "/other", compared<'=', '='>},
    {"!=", "/other", compared<'!', '='>},
    {"ne", "/other", compared<'!', '='>},
    {">", "/other", compared<'>', 0>},
    {"gt", "/other", compared<'>', 0>},
    {"greaterthan", "/other", compared<'>', 0>},
    {">=", "/other", compared<'>', '='>},
    {"ge", "/other", compared<'>', '='>},
    {"<", "/other", compared<'<', 0>},
    {"lt", "/other", compared<'<', 0>},
    {"lessthan", "/other", compared<'<', 0>},
    {"<=", "/other", compared<'<', '='>},
    {"le", "/other", compared<'<', '='>},
};

}  // namespace

std::span<const Builtin> value_tests() { return kTests; }

}  // namespace invar::jinja
