// A prompt of a training or evaluation set, in slime's terms: what to ask, the label, anything else as metadata.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "io/json.h"

namespace invar {

struct Prompt {
  nlohmann::ordered_json content;  // text, or a chat: a list of {role, content, ...}, keys in their order
  Json label;                      // of any type; null: none
  Json metadata = Json::object();  // an object
  nlohmann::ordered_json tools;    // a list of JSON schemas for the chat template; null: none
};

// The label as text: strings as they are, anything else as compact JSON, "" for none.
inline std::string label_text(const Json& label) {
  if (label.is_null()) return {};
  return label.is_string() ? label.get<std::string>() : label.dump();
}

}  // namespace invar
