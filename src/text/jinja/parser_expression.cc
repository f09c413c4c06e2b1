#include <algorithm>
#include <array>

#include "text/jinja/builtins.h"
#include "text/jinja/parser.h"

namespace invar::jinja {

// A chain a + b + c grows the tree without nesting in the source; this bounds what the evaluator walks.
constexpr int kTreeDepthMax = 300;

ExpressionPtr Parser::make(ExpressionKind kind, int line, std::vector<ExpressionPtr> children,
                           std::string name) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  node->name = std::move(name);
  for (const auto& child : children) {
    if (child) node->depth = std::max(node->depth, 1 + child->depth);
  }
  node->children = std::move(children);
  if (node->depth > kTreeDepthMax)
    fail_here(
        fmt::format("limit parse_depth_max: an expression chains more than {} operations", kTreeDepthMax));
  return node;
}

static std::vector<ExpressionPtr> both(ExpressionPtr a, ExpressionPtr b) {
  std::vector<ExpressionPtr> children;
  children.push_back(std::move(a));
  if (b) children.push_back(std::move(b));
  return children;
}

ExpressionPtr Parser::with_call(ExpressionPtr node, CallSyntax call) const {
  const auto deepen = [&](const ExpressionPtr& child) {
    if (child) node->depth = std::max(node->depth, 1 + child->depth);
  };
  for (const auto& argument : call.positional) deepen(argument);
  for (const auto& [unused, argument] : call.named) deepen(argument);
  deepen(call.star);
  deepen(call.star_star);
  node->call = std::move(call);
  return node;
}

// One expression, or a tuple if a comma follows. `element` parses an element; the default is expression().
ExpressionPtr Parser::tuple(bool with_ternary, bool parenthesized, std::string_view end_name,
                            const std::function<ExpressionPtr()>& element) {
  const Nested nested(*this);
  const int line = current().line;
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_operator(",");
    const auto type = current().type;
    if (type == Token::Type::kVariableEnd || type == Token::Type::kBlockEnd || is_operator(")") ||
        (!end_name.empty() && is_name(end_name)))
      break;
    items.push_back(element ? element() : expression(with_ternary));
    if (!is_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !parenthesized)
    fail_here(fmt::format("expected an expression, found {}", describe(current())));
  return make(ExpressionKind::kTuple, line, std::move(items));
}

ExpressionPtr Parser::expression(bool with_ternary) {
  const Nested nested(*this);
  return with_ternary ? ternary() : or_expression();
}

ExpressionPtr Parser::ternary() {
  const int line = current().line;
  const size_t unknown = unknown_.size();
  auto value = or_expression();
  while (skip_name("if")) {
    std::vector<ExpressionPtr> children;
    children.push_back(or_expression());
    children.push_back(std::move(value));
    if (skip_name("else")) {
      const Nested nested(*this);
      children.push_back(ternary());
    } else {
      children.push_back(nullptr);
    }
    value = make(ExpressionKind::kTernary, line, std::move(children));
    unknown_.resize(unknown);  // what a condition may skip is looked up when it runs
  }
  return value;
}

ExpressionPtr Parser::or_expression() {
  const int line = current().line;
  auto left = and_expression();
  while (skip_name("or")) left = make(ExpressionKind::kOr, line, both(std::move(left), and_expression()));
  return left;
}

ExpressionPtr Parser::and_expression() {
  const int line = current().line;
  auto left = not_expression();
  while (skip_name("and")) left = make(ExpressionKind::kAnd, line, both(std::move(left), not_expression()));
  return left;
}

ExpressionPtr Parser::not_expression() {
  if (!is_name("not")) return compare();
  const Nested nested(*this);
  const int line = next().line;
  return make(ExpressionKind::kNot, line, both(not_expression(), nullptr));
}

ExpressionPtr Parser::compare() {
  static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  const int line = current().line;
  std::vector<ExpressionPtr> operands;
  std::vector<std::string> operators;
  operands.push_back(sum());
  while (true) {
    if (current().type == Token::Type::kOperator &&
        std::find(kOperators.begin(), kOperators.end(), current().text) != kOperators.end()) {
      operators.push_back(next().text);
    } else if (skip_name("in")) {
      operators.emplace_back("in");
    } else if (is_name("not") && following().type == Token::Type::kName && following().text == "in") {
      next();
      next();
      operators.emplace_back("not in");
    } else {
      break;
    }
    operands.push_back(sum());
  }
  if (operators.empty()) return std::move(operands[0]);
  auto node = make(ExpressionKind::kCompare, line, std::move(operands));
  node->operators = std::move(operators);
  return node;
}

ExpressionPtr Parser::sum() {
  const int line = current().line;
  auto left = concat();
  while (is_operator("+") || is_operator("-")) {
    std::string op = next().text;
    left = make(ExpressionKind::kBinary, line, both(std::move(left), concat()), std::move(op));
  }
  return left;
}

ExpressionPtr Parser::concat() {
  const int line = current().line;
  std::vector<ExpressionPtr> pieces;
  pieces.push_back(product());
  while (skip_operator("~")) pieces.push_back(product());
  if (pieces.size() == 1) return std::move(pieces[0]);
  return make(ExpressionKind::kConcat, line, std::move(pieces));
}

ExpressionPtr Parser::product() {
  const int line = current().line;
  auto left = power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    std::string op = next().text;
    left = make(ExpressionKind::kBinary, line, both(std::move(left), power()), std::move(op));
  }
  return left;
}

// Left to right, and below unary minus: jinja2's grammar, not Python's.
ExpressionPtr Parser::power() {
  const int line = current().line;
  auto left = unary();
  while (skip_operator("**"))
    left = make(ExpressionKind::kBinary, line, both(std::move(left), unary()), "**");
  return left;
}

ExpressionPtr Parser::unary(bool with_filter) {
  const Nested nested(*this);
  const int line = current().line;
  ExpressionPtr node;
  if (skip_operator("-")) {
    node = make(ExpressionKind::kNegative, line, both(unary(false), nullptr));
  } else if (skip_operator("+")) {
    node = make(ExpressionKind::kPositive, line, both(unary(false), nullptr));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filters_and_tests(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::primary(bool with_namespace) {
  const Token& token = current();
  auto node = make(ExpressionKind::kConst, token.line);
  switch (token.type) {
    case Token::Type::kName:
      next();
      if (token.text == "true" || token.text == "True") {
        node->constant = true;
      } else if (token.text == "false" || token.text == "False") {
        node->constant = false;
      } else if (token.text == "none" || token.text == "None") {
        node->constant = None{};
      } else {
        node->kind = ExpressionKind::kName;
        node->name = token.text;
        around_.caller |= token.text == "caller";
        around_.varargs |= token.text == "varargs";
        around_.kwargs |= token.text == "kwargs";
        if (with_namespace && skip_operator(".")) {
          node->kind = ExpressionKind::kNamespaceRef;
          node->attribute = expect_name();
        }
      }
      return node;
    case Token::Type::kString: {
      std::string text;
      while (current().type == Token::Type::kString) text += next().text;
      node->constant = Value(std::move(text));
      return node;
    }
    case Token::Type::kInteger: node->constant = next().integer; return node;
    case Token::Type::kFloat: node->constant = next().number; return node;
    default:
      if (skip_operator("(")) {
        node = tuple(true, true);
        expect_operator(")");
        return node;
      }
      if (is_operator("[")) return list();
      if (is_operator("{")) return dict();
      fail_here(fmt::format("expected an expression, found {}", describe(token)));
  }
}

ExpressionPtr Parser::list() {
  const int line = next().line;
  std::vector<ExpressionPtr> items;
  while (!is_operator("]")) {
    if (!items.empty()) expect_operator(",");
    if (is_operator("]")) break;
    items.push_back(expression());
  }
  expect_operator("]");
  return make(ExpressionKind::kList, line, std::move(items));
}

ExpressionPtr Parser::dict() {
  const int line = next().line;
  std::vector<ExpressionPtr> items;
  while (!is_operator("}")) {
    if (!items.empty()) expect_operator(",");
    if (is_operator("}")) break;
    items.push_back(expression());
    expect_operator(":");
    items.push_back(expression());
  }
  expect_operator("}");
  return make(ExpressionKind::kDict, line, std::move(items));
}

ExpressionPtr Parser::postfix(ExpressionPtr node) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      node = subscript(std::move(node));
    } else if (is_operator("(")) {
      const int line = current().line;
      auto call = call_arguments();
      node = with_call(make(ExpressionKind::kCall, line, both(std::move(node), nullptr)), std::move(call));
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::filters_and_tests(ExpressionPtr node) {
  while (true) {
    if (is_operator("|")) {
      node = filter_chain(std::move(node), false);
    } else if (is_name("is")) {
      node = test(std::move(node));
    } else if (is_operator("(")) {
      const int line = current().line;
      auto call = call_arguments();
      node = with_call(make(ExpressionKind::kCall, line, both(std::move(node), nullptr)), std::move(call));
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::subscript(ExpressionPtr node) {
  const int line = current().line;
  if (skip_operator(".")) {
    if (current().type == Token::Type::kName)
      return make(ExpressionKind::kAttribute, line, both(std::move(node), nullptr), next().text);
    if (current().type != Token::Type::kInteger) fail_here("expected a name or a number after '.'");
    auto index = make(ExpressionKind::kConst, line);
    index->constant = next().integer;
    return make(ExpressionKind::kItem, line, both(std::move(node), std::move(index)));
  }
  expect_operator("[");
  const auto absent = [&] { return is_operator(":") || is_operator("]") || is_operator(","); };
  std::vector<ExpressionPtr> keys;
  while (!is_operator("]")) {
    if (!keys.empty()) expect_operator(",");
    auto first = is_operator(":") ? nullptr : expression();
    if (!skip_operator(":")) {
      keys.push_back(std::move(first));
      continue;
    }
    std::vector<ExpressionPtr> parts;
    parts.push_back(std::move(node));
    parts.push_back(std::move(first));
    parts.push_back(absent() ? nullptr : expression());
    parts.push_back(skip_operator(":") && !absent() ? expression() : nullptr);
    if (!keys.empty() || !is_operator("]")) fail_here("expected ']' after a slice");
    next();
    return make(ExpressionKind::kSlice, line, std::move(parts));
  }
  expect_operator("]");
  auto key = keys.size() == 1 ? std::move(keys[0]) : make(ExpressionKind::kTuple, line, std::move(keys));
  return make(ExpressionKind::kItem, line, both(std::move(node), std::move(key)));
}

CallSyntax Parser::call_arguments() {
  expect_operator("(");
  CallSyntax call;
  bool comma = false;
  while (!is_operator(")")) {
    if (std::exchange(comma, true)) {
      expect_operator(",");
      if (is_operator(")")) break;
    }
    if (skip_operator("*")) {
      if (call.star || call.star_star) fail_here("a call takes one *list, before its **dictionary");
      call.star = expression();
    } else if (skip_operator("**")) {
      if (call.star_star) fail_here("a call takes one **dictionary");
      call.star_star = expression();
    } else if (current().type == Token::Type::kName && following().type == Token::Type::kOperator &&
               following().text == "=") {
      if (call.star_star) fail_here("a keyword argument follows **");
      std::string name = next().text;
      next();
      for (const auto& [other, unused] : call.named) {
        if (other == name) fail_here(fmt::format("the keyword argument '{:.60}' is given twice", name));
      }
      call.named.emplace_back(std::move(name), expression());
    } else {
      if (call.star || call.star_star || !call.named.empty())
        fail_here("a positional argument follows a keyword argument");
      call.positional.push_back(expression());
    }
  }
  expect_operator(")");
  return call;
}

std::string Parser::dotted_name() {
  std::string name = expect_name();
  while (skip_operator(".")) name += "." + expect_name();
  return name;
}

ExpressionPtr Parser::filter_chain(ExpressionPtr node, bool begin_inline) {
  while (begin_inline || skip_operator("|")) {
    begin_inline = false;
    const int line = current().line;
    std::string name = dotted_name();
    if (!around_.conditional && !find_filter(name))
      unknown_.push_back(Failure{fmt::format("there is no filter '{:.60}'", name), line});
    CallSyntax call;
    if (is_operator("(")) call = call_arguments();
    std::vector<ExpressionPtr> input;
    input.push_back(std::move(node));
    node = with_call(make(ExpressionKind::kFilter, line, std::move(input), std::move(name)), std::move(call));
  }
  return node;
}

ExpressionPtr Parser::test(ExpressionPtr node) {
  const int line = next().line;
  const bool negated = skip_name("not");
  std::string name = dotted_name();
  if (!around_.conditional && !find_test(name))
    unknown_.push_back(Failure{fmt::format("there is no test '{:.60}'", name), line});
  CallSyntax call;
  const auto type = current().type;
  if (is_operator("(")) {
    call = call_arguments();
  } else if ((type == Token::Type::kName || type == Token::Type::kString || type == Token::Type::kInteger ||
              type == Token::Type::kFloat || is_operator("[") || is_operator("{")) &&
             !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail_here("tests cannot be chained with is");
    call.positional.push_back(postfix(primary()));
  }
  node = with_call(make(ExpressionKind::kTest, line, both(std::move(node), nullptr), std::move(name)),
                   std::move(call));
  return negated ? make(ExpressionKind::kNot, line, both(std::move(node), nullptr)) : std::move(node);
}

}  // namespace invar::jinja
