// The syntax tree. One struct for expressions and one for statements: which fields a kind uses is said beside it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace invar::jinja {

enum class ExpressionKind {
  kConst,         // constant
  kName,          // name
  kNamespaceRef,  // name . attribute, as a target of set
  kTuple,         // children
  kList,          // children
  kDict,          // children: key, value, key, value, ...
  kAttribute,     // children[0] . name
  kItem,          // children[0] [ children[1] ]
  kSlice,         // children[0] [ children[1] : children[2] : children[3] ], null where absent
  kCall,          // children[0] ( call )
  kFilter,        // children[0] | name ( call ); children[0] null in filter blocks
  kTest,          // children[0] is name ( call )
  kNot,
  kNegative,
  kPositive,  // children[0]
  kAnd,
  kOr,       // children[0], children[1]
  kBinary,   // children[0] name children[1]
  kConcat,   // children joined by ~
  kCompare,  // children[0] operators[0] children[1] operators[1] ...
  kTernary,  // children[1] if children[0] else children[2], null where absent
};

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallSyntax {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star;       // *list
  ExpressionPtr star_star;  // **dict
};

struct Expression {
  ExpressionKind kind;
  int line = 0;
  int depth = 1;  // of the tree below; bounded, so that walking it is
  std::string name;
  std::string attribute;
  Value constant;
  std::vector<ExpressionPtr> children;
  std::vector<std::string> operators;
  CallSyntax call;
};

enum class StatementKind {
  kData,         // text
  kOutput,       // value
  kFor,          // target, value (the iterable), test, body, otherwise
  kIf,           // branches, otherwise
  kSet,          // target, value
  kSetBlock,     // target, value (a chain of filters or null), body
  kMacro,        // text (the name), parameters, defaults, body
  kCallBlock,    // parameters, defaults, value (the call), body
  kFilterBlock,  // value (a chain of filters), body
  kGeneration,   // body
  kWith,         // assignments, body
  kBreak,
  kContinue,
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  StatementKind kind;
  int line = 0;
  std::string text;
  ExpressionPtr target, value, test;
  Block body, otherwise;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments;
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

}  // namespace invar::jinja
