// Chat templates: a conversation -> the text of the prompt, by the Jinja template that the model came with.
//
// Renders what Hugging Face's apply_chat_template(tokenize=False) renders, without Python; the same request gives the
// same bytes on every machine and day, for the clock is an option.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/jinja/template.h"

namespace invar {

struct ChatOptions {
  bool add_generation_prompt = false;
  std::string bos_token, eos_token;
  nlohmann::ordered_json tools;                                     // a list of JSON schemas; null: none
  nlohmann::ordered_json documents;                                 // a list of {title, text}; null: none
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();  // more variables, such as enable_thinking
  std::optional<jinja::DateTime> now;  // for strftime_now; none: its use is an error
};

// The prompt, and the bytes of it that {% generation %} blocks wrote: what a loss mask counts.
struct RenderedChat {
  std::string text;
  std::vector<jinja::Span> generation_spans;
};

class ChatTemplate {
 public:
  // Errors: see jinja::Template::parse; the message names the line.
  static Result<ChatTemplate> parse(std::string source, const jinja::Limits& limits = {});

  // messages: a list of {role, content, ...}. Reasoning is visible as reasoning_content and thinking under whichever
  // of reasoning_content, thinking, reasoning it came. Source: transformers 5, chat_template_utils.py.
  // Errors: messages of another shape, what the template does wrong or refuses, limits passed.
  Result<std::string> render(const nlohmann::ordered_json& messages, const ChatOptions& options) const;

  // Also an error: a generation block inside a macro, call or set block, whose place in the text is unknown.
  Result<RenderedChat> render_with_spans(const nlohmann::ordered_json& messages,
                                         const ChatOptions& options) const;

 private:
  explicit ChatTemplate(jinja::Template parsed) : template_(std::move(parsed)) {}

  jinja::Template template_;
};

}  // namespace invar
