#include "text/chat_encoder.h"

#include "text/utf8.h"

namespace invar {
namespace {

Status check_utf8(const std::string& text) {
  const std::size_t wrong = find_invalid_utf8(text);
  if (wrong >= text.size()) return Ok{};
  return error("expected UTF-8 text, found byte 0x{:02x} at offset {}", static_cast<uint8_t>(text[wrong]),
               wrong);
}

Result<EncodedPrompt> encode_messages(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                      const nlohmann::ordered_json& messages, ChatOptions options) {
  for (const auto& message : messages) {
    const auto content = message.find("content");
    if (content != message.end() && content->is_string())
      INVAR_RETURN_IF_ERROR(check_utf8(content->get_ref<const std::string&>()));
  }
  const auto text_of = [&](std::optional<int32_t> id) {
    return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
  };
  options.bos_token = text_of(tokenizer.bos_id());
  options.eos_token = text_of(tokenizer.eos_id());
  INVAR_TRY(std::string text, chat_template.render(messages, options));
  INVAR_TRY(std::vector<int32_t> ids,
            tokenizer.encode(text, {.add_special_tokens = false, .parse_special = true}));
  return EncodedPrompt{.text = std::move(text), .ids = std::move(ids)};
}

}  // namespace

Result<EncodedPrompt> encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                  const nlohmann::ordered_json& messages,
                                  const nlohmann::ordered_json& tools) {
  ChatOptions options;
  options.add_generation_prompt = true;
  options.tools = tools;
  return encode_messages(tokenizer, chat_template, messages, std::move(options));
}

Result<EncodedPrompt> encode_conversation(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                          const nlohmann::ordered_json& messages,
                                          const nlohmann::ordered_json& tools) {
  ChatOptions options;
  options.tools = tools;
  return encode_messages(tokenizer, chat_template, messages, std::move(options));
}

}  // namespace invar
