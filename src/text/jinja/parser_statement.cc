#include <algorithm>

#include "text/jinja/parser.h"

namespace invar::jinja {

Parser::Nested::Nested(Parser& parser) : parser_(parser) {
  if (++parser.depth_ > parser.limits_.parse_depth_max) {
    --parser.depth_;
    parser.fail_here(fmt::format("limit parse_depth_max: expressions or blocks nest deeper than {}",
                                 parser.limits_.parse_depth_max));
  }
}

const Token& Parser::next() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::is_name(std::string_view name) const {
  return current().type == Token::Type::kName && current().text == name;
}

bool Parser::is_operator(std::string_view op) const {
  return current().type == Token::Type::kOperator && current().text == op;
}

bool Parser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  next();
  return true;
}

bool Parser::skip_operator(std::string_view op) {
  if (!is_operator(op)) return false;
  next();
  return true;
}

void Parser::fail_here(std::string message) const { throw Failure{std::move(message), current().line}; }

std::string Parser::describe(const Token& token) const {
  switch (token.type) {
    case Token::Type::kData: return "text";
    case Token::Type::kVariableBegin: return "{{";
    case Token::Type::kVariableEnd: return "}}";
    case Token::Type::kBlockBegin: return "{%";
    case Token::Type::kBlockEnd: return "%}";
    case Token::Type::kString: return "a string";
    case Token::Type::kInteger:
    case Token::Type::kFloat: return "a number";
    case Token::Type::kEnd: return "the end of the template";
    default: return fmt::format("'{:.60}'", token.text);
  }
}

void Parser::expect(Token::Type type, std::string_view what) {
  if (current().type != type) fail_here(fmt::format("expected {}, found {}", what, describe(current())));
  next();
}

std::string Parser::expect_name() {
  if (current().type != Token::Type::kName)
    fail_here(fmt::format("expected a name, found {}", describe(current())));
  return next().text;
}

void Parser::expect_keyword(std::string_view name) {
  if (!skip_name(name)) fail_here(fmt::format("expected '{}', found {}", name, describe(current())));
}

void Parser::expect_operator(std::string_view op) {
  if (!skip_operator(op)) fail_here(fmt::format("expected '{}', found {}", op, describe(current())));
}

std::unique_ptr<Statement> Parser::make(StatementKind kind) const {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->line = current().line;
  return statement;
}

Block Parser::parse() {
  Block body = subparse({});
  if (!unknown_.empty()) throw unknown_[0];
  return body;
}

Block Parser::block_until(const std::vector<std::string_view>& ends) {
  skip_operator(":");
  expect(Token::Type::kBlockEnd, "%}");
  return subparse(ends);
}

Block Parser::subparse(const std::vector<std::string_view>& ends) {
  const Nested nested(*this);
  Block body;
  while (current().type != Token::Type::kEnd) {
    if (current().type == Token::Type::kData) {
      body.push_back(make(StatementKind::kData));
      body.back()->text = next().text;
    } else if (current().type == Token::Type::kVariableBegin) {
      next();
      body.push_back(make(StatementKind::kOutput));
      body.back()->value = tuple(true, false);
      expect(Token::Type::kVariableEnd, "}}");
    } else {
      expect(Token::Type::kBlockBegin, "{%");
      if (current().type == Token::Type::kName &&
          std::find(ends.begin(), ends.end(), current().text) != ends.end())
        return body;
      body.push_back(statement());
      expect(Token::Type::kBlockEnd, "%}");
    }
  }
  if (!ends.empty())
    fail_here(fmt::format("expected {{% {} %}}, found the end of the template", ends.back()));
  return body;
}

std::unique_ptr<Statement> Parser::statement() {
  if (current().type != Token::Type::kName)
    fail_here(fmt::format("expected a tag, found {}", describe(current())));
  const std::string tag = current().text;
  if (tag == "for") return for_statement();
  if (tag == "if") return if_statement();
  if (tag == "set") return set_statement();
  if (tag == "with") return with_statement();
  if (tag == "macro") return macro_statement();
  if (tag == "call") return call_statement();
  if (tag == "filter") return filter_statement();
  if (tag == "generation") return generation_statement();
  if (tag == "print") return print_statement();
  if (tag == "break" || tag == "continue") return loop_control();
  for (std::string_view known : {"block", "extends", "include", "import", "from", "autoescape"}) {
    if (tag == known) fail_here(fmt::format("the tag '{}' is not supported in chat templates", tag));
  }
  fail_here(fmt::format("unknown tag '{:.60}'", tag));
}

ExpressionPtr Parser::assign_target(bool with_namespace, std::string_view end_name) {
  auto target = tuple(false, false, end_name, [&] { return primary(with_namespace); });
  check_target(*target);
  return target;
}

void Parser::check_target(const Expression& target) const {
  if (target.kind == ExpressionKind::kTuple) {
    for (const auto& child : target.children) check_target(*child);
  } else if (target.kind != ExpressionKind::kName && target.kind != ExpressionKind::kNamespaceRef) {
    fail_here("only names, tuples of names and attributes of namespaces can be assigned to");
  }
}

static bool assigns(const Expression& target, std::string_view name) {
  if (target.kind == ExpressionKind::kName) return target.name == name;
  return std::any_of(target.children.begin(), target.children.end(),
                     [&](const auto& child) { return assigns(*child, name); });
}

std::unique_ptr<Statement> Parser::for_statement() {
  auto node = make(StatementKind::kFor);
  next();
  node->target = assign_target(false, "in");
  if (assigns(*node->target, "loop")) fail_here("'loop' cannot be the target of a for");
  expect_keyword("in");
  node->value = tuple(false, false, "recursive");
  if (skip_name("if")) node->test = expression();
  if (is_name("recursive")) fail_here("recursive loops are not supported; use a macro that calls itself");
  const Surroundings before = around_;
  around_.in_loop = true;
  around_.conditional = false;
  node->body = block_until({"else", "endfor"});
  around_.in_loop = before.in_loop;
  if (next().text == "else") {
    node->otherwise = block_until({"endfor"});
    next();
  }
  around_.conditional = before.conditional;
  return node;
}

std::unique_ptr<Statement> Parser::if_statement() {
  auto node = make(StatementKind::kIf);
  next();
  const bool before = std::exchange(around_.conditional, true);
  while (true) {
    auto condition = tuple(false, false);
    Block body = block_until({"elif", "else", "endif"});
    node->branches.emplace_back(std::move(condition), std::move(body));
    const std::string end = next().text;
    if (end == "elif") continue;
    if (end == "else") {
      node->otherwise = block_until({"endif"});
      next();
    }
    around_.conditional = before;
    return node;
  }
}

std::unique_ptr<Statement> Parser::set_statement() {
  auto node = make(StatementKind::kSet);
  next();
  node->target = assign_target(true);
  if (skip_operator("=")) {
    node->value = tuple(true, false);
    return node;
  }
  node->kind = StatementKind::kSetBlock;
  node->value = filter_chain(nullptr, false);
  node->body = block_until({"endset"});
  next();
  return node;
}

std::unique_ptr<Statement> Parser::with_statement() {
  auto node = make(StatementKind::kWith);
  next();
  while (current().type != Token::Type::kBlockEnd) {
    if (!node->assignments.empty()) expect_operator(",");
    auto target = assign_target(false);
    expect_operator("=");
    node->assignments.emplace_back(std::move(target), expression());
  }
  node->body = block_until({"endwith"});
  next();
  return node;
}

void Parser::signature(Statement& node) {
  expect_operator("(");
  while (!is_operator(")")) {
    if (!node.parameters.empty()) expect_operator(",");
    std::string name = expect_name();
    if (std::find(node.parameters.begin(), node.parameters.end(), name) != node.parameters.end())
      fail_here(fmt::format("the parameter '{:.60}' is given twice", name));
    if (skip_operator("=")) {
      node.defaults.push_back(expression());
    } else if (!node.defaults.empty()) {
      fail_here("a parameter without a default follows one with a default");
    }
    node.parameters.push_back(std::move(name));
  }
  expect_operator(")");
}

// A body that runs as a function of its own: no break out of it, and it may read caller, varargs and kwargs.
void Parser::function_body(Statement& node, std::string_view end) {
  const Surroundings before = std::exchange(around_, Surroundings{});
  node.body = block_until({end});
  next();
  node.uses_caller = around_.caller;
  node.uses_varargs = around_.varargs;
  node.uses_kwargs = around_.kwargs;
  around_.in_loop = before.in_loop;
  around_.conditional = before.conditional;
  around_.caller |= before.caller;
  around_.varargs |= before.varargs;
  around_.kwargs |= before.kwargs;
}

std::unique_ptr<Statement> Parser::macro_statement() {
  auto node = make(StatementKind::kMacro);
  next();
  node->text = expect_name();
  signature(*node);
  function_body(*node, "endmacro");
  return node;
}

std::unique_ptr<Statement> Parser::call_statement() {
  auto node = make(StatementKind::kCallBlock);
  next();
  if (is_operator("(")) signature(*node);
  node->value = expression();
  if (node->value->kind != ExpressionKind::kCall) fail_here("expected a call after {% call");
  function_body(*node, "endcall");
  return node;
}

std::unique_ptr<Statement> Parser::filter_statement() {
  auto node = make(StatementKind::kFilterBlock);
  next();
  node->value = filter_chain(nullptr, true);
  node->body = block_until({"endfilter"});
  next();
  return node;
}

std::unique_ptr<Statement> Parser::generation_statement() {
  auto node = make(StatementKind::kGeneration);
  next();
  function_body(*node, "endgeneration");
  return node;
}

std::unique_ptr<Statement> Parser::print_statement() {
  auto node = make(StatementKind::kOutput);
  next();
  auto pieces = make(ExpressionKind::kConcat, node->line);
  while (current().type != Token::Type::kBlockEnd) {
    if (!pieces->children.empty()) expect_operator(",");
    pieces->children.push_back(expression());
    pieces->depth = std::max(pieces->depth, 1 + pieces->children.back()->depth);
  }
  node->value = std::move(pieces);
  return node;
}

std::unique_ptr<Statement> Parser::loop_control() {
  auto node = make(is_name("break") ? StatementKind::kBreak : StatementKind::kContinue);
  if (!around_.in_loop) fail_here(fmt::format("'{}' outside of a loop", current().text));
  next();
  return node;
}

}  // namespace invar::jinja
