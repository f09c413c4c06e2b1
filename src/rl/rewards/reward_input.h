// What a reward sees of a sample.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "rl/prompt.h"

namespace invar {

struct RewardInput {
  const Prompt* prompt;          // its label and metadata
  std::string_view prompt_text;  // as the model read it, after the chat template
  std::string_view response;     // without special tokens
  int64_t tokens = 0;            // of the response
};

// JSON on one line; bytes that are no UTF-8 (a token may end within a character) become U+FFFD.
inline std::string one_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace invar
