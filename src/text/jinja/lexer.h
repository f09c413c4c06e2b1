// Source text -> tokens, with jinja2's rules for whitespace under trim_blocks and lstrip_blocks.
// Source: jinja2 3.1 lexer.py, with the environment that Hugging Face's chat templates get.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace invar::jinja {

struct Token {
  enum class Type {
    kData,
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd
  };
  Type type;
  int line;
  std::string text;     // data, name, unescaped string, operator
  int64_t integer = 0;  // kInteger
  double number = 0;    // kFloat
};

// Always ends with kEnd. Throws Failure with its line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace invar::jinja
