// The evaluator: walks the tree, writes the output. One Interpreter renders once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/strftime.h"
#include "text/jinja/value.h"

namespace invar::jinja {

// Bytes [begin, end) of the output that a {% generation %} block wrote.
struct Span {
  int64_t begin;
  int64_t end;
  bool operator==(const Span&) const = default;
};

// Variables of one block; a macro keeps the scope it was defined in alive.
struct Scope {
  Scope* parent = nullptr;
  bool captured = false;
  std::vector<std::pair<std::string, Value>> variables;
};

class Interpreter {
 public:
  Interpreter(const Limits& limits, std::optional<DateTime> now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Renders; variables are what the template sees. Throws Failure, whose line is set.
  std::string run(const Block& body, std::vector<std::pair<std::string, Value>> variables);

  const std::vector<Span>& spans() const { return spans_; }
  bool span_lost() const { return span_lost_; }  // a generation block ran inside a captured text

  // For builtins.
  Budget& budget() { return budget_; }
  const std::optional<DateTime>& now() const { return now_; }
  Value filter(const std::string& name, const Value& input, Arguments arguments);
  bool test(const std::string& name, const Value& input, Arguments arguments);
  Value attribute(const Value& object, const std::string& name);  // object.name: method, then item
  Value item(const Value& object, const Value& key);              // object[key]: item, then method
  Value make_namespace(std::vector<std::pair<std::string, Value>> attributes);

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class Depth;    // counts nested evaluations
  class Inner;    // enters a scope
  class Capture;  // diverts the output into a string

  // interpreter_statement.cc
  Flow execute(const Block& block);
  Flow execute(const Statement& statement);
  Flow for_loop(const Statement& statement);
  Flow if_statement(const Statement& statement);
  void set_block(const Statement& statement);
  void define_macro(const Statement& statement);
  void call_block(const Statement& statement);
  void generation(const Statement& statement);
  Value call_macro(const Callable& macro, Arguments arguments);
  void bind_parameters(const Callable& macro, Arguments arguments);
  void assign(const Expression& target, Value value);
  void assign_name(const std::string& name, Value value);
  void write(std::string_view text);
  void write_value(const Value& value);

  // interpreter_expression.cc
  Value evaluate(const Expression& expression);
  Value evaluate_node(const Expression& expression);
  Value lookup(const std::string& name);
  Value method(const Value& object, const std::string& name, bool& found);
  Value missing(const Value& object, const std::string& name);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_compare(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_call(const Expression& expression, Arguments extra);
  Value apply_filters(const Expression& chain, Value input);
  std::vector<Value> evaluate_all(const std::vector<ExpressionPtr>& expressions);
  Arguments evaluate_arguments(const CallSyntax& call);
  Value call(const Value& callee, Arguments arguments);

  Budget budget_;
  std::optional<DateTime> now_;
  int line_ = 1;
  int depth_ = 0;
  Scope* scope_ = nullptr;
  std::vector<std::unique_ptr<Scope>> kept_scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;  // emptied at the end: they may hold each other
  std::string output_;
  std::string* sink_ = &output_;
  int captures_ = 0;
  std::vector<Span> spans_;
  bool span_lost_ = false;
};

}  // namespace invar::jinja
