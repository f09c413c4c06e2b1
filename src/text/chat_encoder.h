// A conversation as the token ids that a model is prompted with.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace invar {

struct EncodedPrompt {
  std::string text;  // what the template wrote
  std::vector<int32_t> ids;
};

// messages: a list of {role, content, ...}; tools: a list of JSON schemas, or null. As transformers'
// apply_chat_template(tokenize=True, add_generation_prompt=True): special tokens are the template's to write, and are
// also read where a message spells them. Errors: text that is no UTF-8, what the template refuses, the tokenizer's.
Result<EncodedPrompt> encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                  const nlohmann::ordered_json& messages,
                                  const nlohmann::ordered_json& tools = {});

// A whole conversation, whose last message is the model's answer, without the beginning of another one.
Result<EncodedPrompt> encode_conversation(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                          const nlohmann::ordered_json& messages,
                                          const nlohmann::ordered_json& tools = {});

}  // namespace invar
