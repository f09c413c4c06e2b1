#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/interpreter_guards.h"
#include "text/jinja/operators.h"
#include "text/jinja/repr.h"
#include "text/jinja/unicode.h"

namespace invar::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  const Depth depth(*this);
  budget_.step();
  line_ = expression.line;
  return evaluate_node(expression);
}

Value Interpreter::evaluate_node(const Expression& expression) {
  const auto child = [&](size_t i) { return evaluate(*expression.children[i]); };
  switch (expression.kind) {
    case ExpressionKind::kConst: return expression.constant;
    case ExpressionKind::kName: return lookup(expression.name);
    case ExpressionKind::kTuple:
      return make_sequence(budget_, evaluate_all(expression.children), Sequence::Type::kTuple);
    case ExpressionKind::kList: return make_sequence(budget_, evaluate_all(expression.children));
    case ExpressionKind::kDict: return evaluate_dict(expression);
    case ExpressionKind::kAttribute: {
      const Value object = child(0);
      line_ = expression.line;
      return attribute(object, expression.name);
    }
    case ExpressionKind::kItem: {
      const Value object = child(0);
      const Value key = child(1);
      line_ = expression.line;
      return item(object, key);
    }
    case ExpressionKind::kSlice: return evaluate_slice(expression);
    case ExpressionKind::kCall: return evaluate_call(expression, {});
    case ExpressionKind::kFilter: return apply_filters(expression, Value());
    case ExpressionKind::kTest: {
      const Value input = child(0);
      Arguments arguments = evaluate_arguments(expression.call);
      line_ = expression.line;
      return test(expression.name, input, std::move(arguments));
    }
    case ExpressionKind::kNot: return !truthy(child(0));
    case ExpressionKind::kNegative: return negative(child(0));
    case ExpressionKind::kPositive: return positive(child(0));
    case ExpressionKind::kAnd: {
      Value left = child(0);
      return truthy(left) ? child(1) : left;
    }
    case ExpressionKind::kOr: {
      Value left = child(0);
      return truthy(left) ? left : child(1);
    }
    case ExpressionKind::kBinary: {
      const Value left = child(0);
      const Value right = child(1);
      line_ = expression.line;
      return binary(budget_, expression.name, left, right);
    }
    case ExpressionKind::kConcat: {
      std::vector<Value> pieces = evaluate_all(expression.children);
      Text text(budget_);
      for (const Value& piece : pieces) text << to_text(budget_, piece);
      return Value(text.take());
    }
    case ExpressionKind::kCompare: return evaluate_compare(expression);
    case ExpressionKind::kTernary:
      if (truthy(child(0))) return child(1);
      if (expression.children[2]) return child(2);
      return Value::undefined(
          fmt::format("the condition on line {} was false and has no else", expression.line));
    case ExpressionKind::kNamespaceRef: break;
  }
  fail("an assignment target was evaluated");
}

Value Interpreter::lookup(const std::string& name) {
  for (const Scope* scope = scope_; scope; scope = scope->parent) {
    budget_.step();
    for (const auto& [known, value] : scope->variables) {
      if (known == name) return value;
    }
  }
  if (const Builtin* builtin = find_global(name)) {
    auto function = std::make_shared<Callable>();
    function->name = name;
    function->builtin = builtin;
    return Value(std::shared_ptr<const Callable>(std::move(function)));
  }
  return Value::undefined(fmt::format("'{:.80}' is undefined", name));
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<ExpressionPtr>& expressions) {
  std::vector<Value> values;
  values.reserve(expressions.size());
  for (const auto& expression : expressions) values.push_back(evaluate(*expression));
  return values;
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  std::vector<std::pair<Value, Value>> items;
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    Value key = evaluate(*expression.children[i]);
    Value value = evaluate(*expression.children[i + 1]);
    insert(budget_, items, std::move(key), std::move(value));
  }
  return make_dict(budget_, std::move(items));
}

Value Interpreter::evaluate_compare(const Expression& expression) {
  Value left = evaluate(*expression.children[0]);
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = evaluate(*expression.children[i + 1]);
    line_ = expression.line;
    if (!compare(budget_, expression.operators[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  const Value object = evaluate(*expression.children[0]);
  const auto bound = [&](size_t i) -> std::optional<int64_t> {
    if (!expression.children[i]) return std::nullopt;
    const Value value = evaluate(*expression.children[i]);
    if (value.is_none()) return std::nullopt;
    if (!value.is_integer()) fail("a slice needs integers or none, found '{}'", type_name(value));
    return value.integer();
  };
  Slice parts;
  parts.begin = bound(1);
  parts.end = bound(2);
  parts.step = bound(3);
  line_ = expression.line;
  return slice(budget_, object, parts);
}

Arguments Interpreter::evaluate_arguments(const CallSyntax& call) {
  Arguments arguments;
  arguments.positional = evaluate_all(call.positional);
  for (const auto& [name, value] : call.named) arguments.named.emplace_back(name, evaluate(*value));
  if (call.star) {
    std::vector<Value> items = to_items(budget_, evaluate(*call.star));
    arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
  }
  if (call.star_star) {
    const Value extra = evaluate(*call.star_star);
    if (!extra.is_dict()) fail("** needs a dictionary, found '{}'", type_name(extra));
    for (const auto& [key, value] : extra.dict().items) {
      budget_.step(static_cast<int64_t>(1 + arguments.named.size()));
      if (!key.is_string()) fail("** needs string keys, found '{}'", type_name(key));
      for (const auto& [known, unused] : arguments.named) {
        if (known == key.string()) fail("the keyword argument '{:.60}' is given twice", known);
      }
      arguments.named.emplace_back(key.string(), value);
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Expression& expression, Arguments extra) {
  const Value callee = evaluate(*expression.children[0]);
  Arguments arguments = evaluate_arguments(expression.call);
  for (auto& named : extra.named) arguments.named.push_back(std::move(named));
  line_ = expression.line;
  return call(callee, std::move(arguments));
}

Value Interpreter::call(const Value& callee, Arguments arguments) {
  if (callee.is_undefined()) fail("{}", callee.undefined_reason());
  if (callee.is_loop()) fail("recursive loops are not supported; use a macro that calls itself");
  if (!callee.is_callable()) fail("'{}' cannot be called", type_name(callee));
  const Callable& function = callee.callable();
  if (function.macro) return call_macro(function, std::move(arguments));
  return run_builtin(*this, *function.builtin, function.self, std::move(arguments));
}

Value Interpreter::apply_filters(const Expression& chain, Value input) {
  if (chain.children[0])
    input = chain.children[0]->kind == ExpressionKind::kFilter
                ? apply_filters(*chain.children[0], std::move(input))
                : evaluate(*chain.children[0]);
  Arguments arguments = evaluate_arguments(chain.call);
  line_ = chain.line;
  return filter(chain.name, input, std::move(arguments));
}

Value Interpreter::filter(const std::string& name, const Value& input, Arguments arguments) {
  budget_.step();
  const Builtin* builtin = find_filter(name);
  if (!builtin) fail("there is no filter '{:.60}'", name);
  return run_builtin(*this, *builtin, input, std::move(arguments));
}

bool Interpreter::test(const std::string& name, const Value& input, Arguments arguments) {
  budget_.step();
  const Builtin* builtin = find_test(name);
  if (!builtin) fail("there is no test '{:.60}'", name);
  return truthy(run_builtin(*this, *builtin, input, std::move(arguments)));
}

Value Interpreter::make_namespace(std::vector<std::pair<std::string, Value>> attributes) {
  for (const auto& [name, unused] : attributes) {
    if (name.starts_with('_')) fail("attributes of a namespace may not begin with an underscore");
  }
  budget_.bytes(static_cast<int64_t>(64 + attributes.size() * (sizeof(Value) + sizeof(std::string))));
  auto name_space = std::make_shared<Namespace>();
  name_space->attributes = std::move(attributes);
  namespaces_.push_back(name_space);
  return Value(std::move(name_space));
}

// What getattr finds: fields of loops and namespaces, and methods.
Value Interpreter::method(const Value& object, const std::string& name, bool& found) {
  found = true;
  if (object.is_namespace()) {
    for (const auto& [known, value] : object.name_space().attributes) {
      if (known == name) return value;
    }
  } else if (object.is_loop()) {
    Loop& loop = object.loop();
    if (name == "index") return loop.index0 + 1;
    if (name == "index0") return loop.index0;
    if (name == "first") return loop.index0 == 0;
    if (name == "last") return !loop.peek().has_value();
    if (name == "length") return loop.length();
    if (name == "revindex") return loop.length() - loop.index0;
    if (name == "revindex0") return loop.length() - loop.index0 - 1;
    if (name == "depth") return 1;
    if (name == "depth0") return 0;
    if (name == "previtem")
      return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.before;
    if (name == "nextitem") return loop.peek() ? *loop.peek() : Value::undefined("there is no next item");
  } else if (object.is_callable() && object.callable().macro && name == "name") {
    return Value(object.callable().name);
  }
  if (is_refused_method(object, name))
    return Value::undefined(
        fmt::format("'{}' would change a '{}', which templates may not", name, type_name(object)));
  if (const Builtin* builtin = find_method(object, name)) {
    budget_.bytes(sizeof(Callable));
    auto bound = std::make_shared<Callable>();
    bound->name = name;
    bound->self = object;
    bound->builtin = builtin;
    return Value(std::shared_ptr<const Callable>(std::move(bound)));
  }
  found = false;
  return {};
}

Value Interpreter::missing(const Value& object, const std::string& name) {
  return Value::undefined(fmt::format("a '{}' has no attribute or item '{:.80}'", type_name(object), name));
}

static bool find_item(Budget& budget, const Value& object, const Value& key, Value& out) {
  if (object.is_dict()) {
    if (!hashable(key)) return false;
    const Value* found = find(budget, object.dict(), key);
    if (found) out = *found;
    return found != nullptr;
  }
  const bool indexable = object.is_string() || (object.is_sequence() && object.sequence().indexable());
  if (!indexable || !key.is_integer()) return false;
  const int64_t length = length_of(budget, object);
  const int64_t index = key.integer() < 0 ? key.integer() + length : key.integer();
  if (index < 0 || index >= length) return false;
  if (object.is_sequence()) {
    out = object.sequence().items[static_cast<size_t>(index)];
    return true;
  }
  const std::string& text = object.string();
  budget.scan(text.size());
  const size_t begin = byte_offset(text, index);
  size_t end = begin;
  decode(text, end);
  out = make_text(budget, text.substr(begin, end - begin));
  return true;
}

Value Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) fail("{}", object.undefined_reason());
  bool found = false;
  Value value = method(object, name, found);
  if (found || (object.is_dict() && find_item(budget_, object, Value(name), value))) return value;
  return missing(object, name);
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) fail("{}", object.undefined_reason());
  Value value;
  if (find_item(budget_, object, key, value)) return value;
  if (key.is_string()) {
    bool found = false;
    value = method(object, key.string(), found);
    if (found) return value;
  }
  return missing(object, key.is_string() ? key.string() : to_repr(budget_, key));
}

}  // namespace invar::jinja
