#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/interpreter_guards.h"
#include "text/jinja/repr.h"

namespace invar::jinja {

Interpreter::Interpreter(const Limits& limits, std::optional<DateTime> now) : budget_(limits), now_(now) {}

Interpreter::~Interpreter() {
  for (const auto& name_space : namespaces_) name_space->attributes.clear();
  for (const auto& scope : kept_scopes_) scope->variables.clear();
}

std::string Interpreter::run(const Block& body, std::vector<std::pair<std::string, Value>> variables) {
  try {
    auto root = std::make_unique<Scope>();
    root->variables = std::move(variables);
    scope_ = root.get();
    kept_scopes_.push_back(std::move(root));
    const Inner top(*this);
    execute(body);
    return std::move(output_);
  } catch (Failure& failure) {
    if (failure.line == 0) failure.line = line_;
    throw;
  }
}

void Interpreter::write(std::string_view text) {
  budget_.scan(text.size());
  const int64_t limit = budget_.limits().output_bytes_max;
  if (sink_ != &output_) {
    budget_.bytes(static_cast<int64_t>(text.size()));
  } else if (static_cast<int64_t>(output_.size() + text.size()) > limit) {
    fail("limit output_bytes_max: the output is longer than {} bytes", limit);
  }
  sink_->append(text);
}

void Interpreter::write_value(const Value& value) {
  if (value.is_string()) return write(value.string());
  write(to_text(budget_, value));
}

Interpreter::Flow Interpreter::execute(const Block& block) {
  for (const auto& statement : block) {
    const Flow flow = execute(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  const Depth depth(*this);
  budget_.step();
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::kData: write(statement.text); return Flow::kNormal;
    case StatementKind::kOutput: write_value(evaluate(*statement.value)); return Flow::kNormal;
    case StatementKind::kFor: return for_loop(statement);
    case StatementKind::kIf: return if_statement(statement);
    case StatementKind::kSet: assign(*statement.target, evaluate(*statement.value)); return Flow::kNormal;
    case StatementKind::kSetBlock: set_block(statement); return Flow::kNormal;
    case StatementKind::kMacro: define_macro(statement); return Flow::kNormal;
    case StatementKind::kCallBlock: call_block(statement); return Flow::kNormal;
    case StatementKind::kFilterBlock: {
      std::string text;
      Flow flow;
      {
        const Inner inner(*this);
        const Capture capture(*this, text);
        flow = execute(statement.body);
      }
      if (flow == Flow::kNormal) write_value(apply_filters(*statement.value, Value(std::move(text))));
      return flow;
    }
    case StatementKind::kGeneration: generation(statement); return Flow::kNormal;
    case StatementKind::kWith: {
      std::vector<Value> values;  // all read the outer scope
      for (const auto& [unused, value] : statement.assignments) values.push_back(evaluate(*value));
      const Inner inner(*this);
      for (size_t i = 0; i < values.size(); ++i)
        assign(*statement.assignments[i].first, std::move(values[i]));
      return execute(statement.body);
    }
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::for_loop(const Statement& statement) {
  const Value iterable = evaluate(*statement.value);
  auto loop = std::make_shared<Loop>();
  const LoopEnd end(*loop);
  loop->items = to_items(budget_, iterable);
  for (const Value& item : loop->items) loop->depth = std::max(loop->depth, 1 + depth_of(item));
  if (loop->depth > kValueDepthMax) fail("limit value depth: values nest deeper than {}", kValueDepthMax);
  budget_.bytes(sizeof(Loop));
  if (statement.test) {
    loop->accept = [this, &statement, outer = scope_](const Value& item) {
      const Depth depth(*this);
      const Inner inner(*this, outer);
      assign(*statement.target, item);
      return truthy(evaluate(*statement.test));
    };
  }
  bool completed = false;  // jinja2: the else runs unless one pass came to its end
  while (loop->advance()) {
    budget_.step();
    const Inner inner(*this);
    assign_name("loop", Value(loop));
    assign(*statement.target, loop->current);
    const Flow flow = execute(statement.body);
    if (flow == Flow::kBreak) break;
    completed |= flow == Flow::kNormal;
  }
  if (completed || statement.otherwise.empty()) return Flow::kNormal;
  const Inner inner(*this);
  return execute(statement.otherwise);
}

Interpreter::Flow Interpreter::if_statement(const Statement& statement) {
  for (const auto& [condition, body] : statement.branches) {
    if (truthy(evaluate(*condition))) return execute(body);
  }
  return execute(statement.otherwise);
}

void Interpreter::set_block(const Statement& statement) {
  std::string text;
  {
    const Inner inner(*this);
    const Capture capture(*this, text);
    execute(statement.body);
  }
  Value value(std::move(text));
  if (statement.value) value = apply_filters(*statement.value, std::move(value));
  assign(*statement.target, std::move(value));
}

void Interpreter::assign_name(const std::string& name, Value value) {
  for (auto& [known, old] : scope_->variables) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  budget_.bytes(sizeof(scope_->variables[0]));
  scope_->variables.emplace_back(name, std::move(value));
}

void Interpreter::assign(const Expression& target, Value value) {
  if (target.kind == ExpressionKind::kName) return assign_name(target.name, std::move(value));
  if (target.kind == ExpressionKind::kNamespaceRef) {
    const Value holder = lookup(target.name);
    if (!holder.is_namespace()) fail("cannot set an attribute: '{}' is no namespace", target.name);
    if (target.attribute.starts_with('_')) fail("attributes of a namespace may not begin with an underscore");
    for (auto& [known, old] : holder.name_space().attributes) {
      if (known == target.attribute) {
        old = std::move(value);
        return;
      }
    }
    budget_.bytes(sizeof(holder.name_space().attributes[0]));
    holder.name_space().attributes.emplace_back(target.attribute, std::move(value));
    return;
  }
  if (value.is_undefined()) fail("{}", value.undefined_reason());
  std::vector<Value> items = to_items(budget_, value);
  if (items.size() != target.children.size())
    fail("expected {} values to unpack, found {}", target.children.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) assign(*target.children[i], std::move(items[i]));
}

void Interpreter::define_macro(const Statement& statement) {
  for (Scope* scope = scope_; scope; scope = scope->parent) scope->captured = true;
  budget_.bytes(sizeof(Callable));
  auto macro = std::make_shared<Callable>();
  macro->name = statement.text;
  macro->macro = &statement;
  macro->scope = scope_;
  assign_name(statement.text, Value(std::shared_ptr<const Callable>(std::move(macro))));
}

void Interpreter::call_block(const Statement& statement) {
  for (Scope* scope = scope_; scope; scope = scope->parent) scope->captured = true;
  budget_.bytes(sizeof(Callable));
  auto caller = std::make_shared<Callable>();
  caller->name = "caller";
  caller->macro = &statement;
  caller->scope = scope_;
  Arguments extra;
  extra.named.emplace_back("caller", Value(std::shared_ptr<const Callable>(std::move(caller))));
  write_value(evaluate_call(*statement.value, std::move(extra)));
}

void Interpreter::generation(const Statement& statement) {
  const auto begin = static_cast<int64_t>(output_.size());
  {
    const Inner inner(*this);
    execute(statement.body);
  }
  if (captures_ > 0) {
    span_lost_ = true;
  } else {
    budget_.bytes(sizeof(Span));
    spans_.push_back(Span{begin, static_cast<int64_t>(output_.size())});
  }
}

Value Interpreter::call_macro(const Callable& macro, Arguments arguments) {
  std::string text;
  {
    const Depth depth(*this);
    const Inner inner(*this, macro.scope);
    const Capture capture(*this, text);
    bind_parameters(macro, std::move(arguments));
    execute(macro.macro->body);
  }
  return Value(std::move(text));
}

void Interpreter::bind_parameters(const Callable& macro, Arguments arguments) {
  const Statement& definition = *macro.macro;
  const auto& names = definition.parameters;
  const auto take_named = [&](const std::string& name) -> std::optional<Value> {
    for (auto it = arguments.named.begin(); it != arguments.named.end(); ++it) {
      if (it->first != name) continue;
      std::optional<Value> value = std::move(it->second);
      arguments.named.erase(it);
      return value;
    }
    return std::nullopt;
  };
  const size_t given = arguments.positional.size();
  std::vector<std::optional<Value>> values(names.size());
  for (size_t i = 0; i < names.size(); ++i)
    values[i] = i < given ? std::optional<Value>(arguments.positional[i]) : take_named(names[i]);
  if (definition.uses_caller && std::find(names.begin(), names.end(), "caller") == names.end()) {
    auto caller = take_named("caller");
    assign_name("caller", caller ? *caller : Value::undefined("No caller defined"));
  }
  if (definition.uses_kwargs) {
    std::vector<std::pair<Value, Value>> rest;
    for (auto& [name, value] : arguments.named) rest.emplace_back(Value(name), std::move(value));
    assign_name("kwargs", make_dict(budget_, std::move(rest)));
  } else if (!arguments.named.empty()) {
    fail("macro '{}' has no parameter '{:.60}'", macro.name, arguments.named[0].first);
  }
  if (definition.uses_varargs) {
    std::vector<Value> rest;
    for (size_t i = names.size(); i < given; ++i) rest.push_back(std::move(arguments.positional[i]));
    assign_name("varargs", make_sequence(budget_, std::move(rest), Sequence::Type::kTuple));
  } else if (given > names.size()) {
    fail("macro '{}' takes at most {} arguments, found {}", macro.name, names.size(), given);
  }
  const size_t required = names.size() - definition.defaults.size();
  for (size_t i = 0; i < names.size(); ++i) {
    if (values[i]) {
      assign_name(names[i], std::move(*values[i]));
    } else if (i >= required) {
      assign_name(names[i], evaluate(*definition.defaults[i - required]));
    } else {
      assign_name(names[i], Value::undefined(fmt::format("parameter '{}' was not provided", names[i])));
    }
  }
}

}  // namespace invar::jinja
