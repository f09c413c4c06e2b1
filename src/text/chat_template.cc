#include "text/chat_template.h"

namespace invar {
namespace {

using Json = nlohmann::ordered_json;

// {thinking: r, ...message, reasoning_content: r}, where r is the first of its names that is set.
Json with_reasoning(const Json& message) {
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const auto found = message.find(name);
    if (found == message.end() || found->is_null()) continue;
    const Json reasoning = *found;
    Json result = Json::object();
    result["thinking"] = reasoning;
    for (const auto& [key, value] : message.items()) result[key] = value;
    result["reasoning_content"] = reasoning;
    return result;
  }
  return message;
}

Result<Json> variables(const Json& messages, const ChatOptions& options) {
  if (!messages.is_array())
    return error("chat template: expected a list of messages, found {}", messages.type_name());
  if (!options.extra.is_object())
    return error("chat template: expected an object of extra variables, found {}", options.extra.type_name());
  Json result = Json::object();
  result["messages"] = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object())
      return error("chat template: expected message {} to be an object, found {}", i,
                   messages[i].type_name());
    result["messages"].push_back(with_reasoning(messages[i]));
  }
  result["tools"] = options.tools;
  result["documents"] = options.documents;
  result["add_generation_prompt"] = options.add_generation_prompt;
  result["bos_token"] = options.bos_token;
  result["eos_token"] = options.eos_token;
  for (const auto& [name, value] : options.extra.items()) result[name] = value;
  return result;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string source, const jinja::Limits& limits) {
  INVAR_TRY(auto parsed, jinja::Template::parse(source, limits));
  return ChatTemplate(std::move(parsed));
}

Result<std::string> ChatTemplate::render(const Json& messages, const ChatOptions& options) const {
  INVAR_TRY(const Json scope, variables(messages, options));
  INVAR_TRY(auto rendered, template_.render(scope, options.now));
  return std::move(rendered.text);
}

Result<RenderedChat> ChatTemplate::render_with_spans(const Json& messages, const ChatOptions& options) const {
  INVAR_TRY(const Json scope, variables(messages, options));
  INVAR_TRY(auto rendered, template_.render(scope, options.now));
  if (rendered.span_lost)
    return error(
        "chat template: a generation block runs inside a macro, call or set block; its bytes cannot be "
        "located in the prompt, write it outside of them");
  return RenderedChat{std::move(rendered.text), std::move(rendered.generation_spans)};
}

}  // namespace invar
