// Tokens -> syntax tree. Source: jinja2 3.1 parser.py. Left out, with an error that says so: inheritance, includes,
// imports, autoescape, recursive loops; a chat template is one file.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace invar::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits) : tokens_(std::move(tokens)), limits_(limits) {}

  Block parse();  // throws Failure with its line

 private:
  // What encloses the code being parsed.
  struct Surroundings {
    bool in_loop = false;      // break and continue are allowed
    bool conditional = false;  // unknown filters are found when they are evaluated
    bool caller = false, varargs = false, kwargs = false;  // names read, for macros
  };
  // Counts nesting; one lives in each recursive function.
  class Nested {
   public:
    explicit Nested(Parser& parser);
    ~Nested() { --parser_.depth_; }
    Parser& parser_;
  };

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& following() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next();
  bool is_name(std::string_view name) const;
  bool is_operator(std::string_view op) const;
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view op);
  std::string expect_name();
  void expect_keyword(std::string_view name);
  void expect_operator(std::string_view op);
  void expect(Token::Type type, std::string_view what);
  [[noreturn]] void fail_here(std::string message) const;
  std::string describe(const Token& token) const;

  // Statements.
  Block block_until(
      const std::vector<std::string_view>& ends);  // {% ... %} open: skips its end, stops at an end's name
  Block subparse(const std::vector<std::string_view>& ends);
  std::unique_ptr<Statement> statement();
  std::unique_ptr<Statement> for_statement();
  std::unique_ptr<Statement> if_statement();
  std::unique_ptr<Statement> set_statement();
  std::unique_ptr<Statement> with_statement();
  std::unique_ptr<Statement> macro_statement();
  std::unique_ptr<Statement> call_statement();
  std::unique_ptr<Statement> filter_statement();
  std::unique_ptr<Statement> generation_statement();
  std::unique_ptr<Statement> print_statement();
  std::unique_ptr<Statement> loop_control();
  void signature(Statement& statement);
  void function_body(Statement& statement, std::string_view end);
  ExpressionPtr assign_target(bool with_namespace, std::string_view end_name = {});
  void check_target(const Expression& target) const;
  std::unique_ptr<Statement> make(StatementKind kind) const;

  // Expressions, loosest first.
  ExpressionPtr tuple(bool with_ternary, bool parenthesized, std::string_view end_name = {},
                      const std::function<ExpressionPtr()>& element = {});
  ExpressionPtr expression(bool with_ternary = true);
  ExpressionPtr ternary();
  ExpressionPtr or_expression();
  ExpressionPtr and_expression();
  ExpressionPtr not_expression();
  ExpressionPtr compare();
  ExpressionPtr sum();
  ExpressionPtr concat();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filter = true);
  ExpressionPtr primary(bool with_namespace = false);
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr filters_and_tests(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr filter_chain(ExpressionPtr node, bool begin_inline);
  ExpressionPtr test(ExpressionPtr node);
  CallSyntax call_arguments();
  std::string dotted_name();
  ExpressionPtr make(ExpressionKind kind, int line, std::vector<ExpressionPtr> children = {},
                     std::string name = {}) const;
  ExpressionPtr with_call(ExpressionPtr node, CallSyntax call) const;

  std::vector<Token> tokens_;
  Limits limits_;
  size_t at_ = 0;
  int depth_ = 0;
  Surroundings around_;
  std::vector<Failure> unknown_;  // filters and tests that do not exist, where no condition guards them
};

}  // namespace invar::jinja
