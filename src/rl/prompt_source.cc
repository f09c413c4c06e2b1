#include "rl/prompt_source.h"

#include <algorithm>

#include "rl/seeds.h"

namespace invar {

Result<PromptSource> PromptSource::open(const TrainConfig& config, const Tokenizer& tokenizer,
                                        const ChatTemplate* chat_template) {
  const TrainConfig::Data& data = config.data;
  if (data.chat_template && chat_template == nullptr)
    return error("data.chat_template: this model has no chat template; expected false");
  PromptSource source(data, tokenizer, chat_template);
  const auto seed = static_cast<uint64_t>(config.run.seed);
  if (!data.task.empty()) {
    INVAR_TRY(source.task_, Task::make({.name = data.task,
                                        .difficulty = data.difficulty,
                                        .seed = seed_of_use(seed, SeedUse::kTask)}));
    return source;
  }
  const DataOptions options{.prompt_key = data.prompt_key,
                            .label_key = data.label_key,
                            .metadata_key = data.metadata_key,
                            .tools_key = data.tools_key};
  INVAR_TRY(source.prompts_, PromptSet::read(data.file, options));
  if (!data.eval_file.empty()) {
    INVAR_TRY(source.held_out_, PromptSet::read(data.eval_file, options));
  }
  source.cursor_.emplace(DataCursor::Options{.rows = source.prompts_->size(),
                                             .seed = seed_of_use(seed, SeedUse::kShuffle),
                                             .shuffle = data.shuffle});
  return source;
}

Prompt PromptSource::train(int64_t ordinal) {
  if (task_) return task_->sample(Split::kTrain, static_cast<uint64_t>(ordinal));
  return prompts_->at(cursor_->at(ordinal).row);
}

Prompt PromptSource::held_out(int64_t index) const {
  if (task_) return task_->sample(Split::kHeldOut, static_cast<uint64_t>(index));
  return held_out_->at(index);
}

int64_t PromptSource::held_out_count() const {
  if (task_) return data_.eval_prompts;
  return held_out_ ? std::min(data_.eval_prompts, held_out_->size()) : 0;
}

// A chat, with the configuration's system message where it has none.
nlohmann::ordered_json PromptSource::messages_of(const nlohmann::ordered_json& content) const {
  nlohmann::ordered_json messages = content;
  if (messages.is_string())
    messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", content}}});
  if (!data_.system.empty() && messages.front().value("role", "") != "system")
    messages.insert(messages.begin(),
                    nlohmann::ordered_json::object({{"role", "system"}, {"content", data_.system}}));
  return messages;
}

Result<EncodedPrompt> PromptSource::encode(const Prompt& prompt) const {
  if (data_.chat_template)
    return encode_chat(*tokenizer_, *chat_template_, messages_of(prompt.content), prompt.tools);
  if (!prompt.content.is_string()) return error("a chat, and data.chat_template is off");
  EncodedPrompt encoded{.text = data_.system + prompt.content.get<std::string>(), .ids = {}};
  INVAR_TRY(encoded.ids, tokenizer_->encode(encoded.text));
  return encoded;
}

// What the model is to say behind the prompt, up to and including the end of sequence.
Result<std::vector<int32_t>> PromptSource::answer_ids(const EncodedPrompt& encoded, const Prompt& question,
                                                      const std::string& answer) const {
  std::vector<int32_t> ids;
  if (data_.chat_template) {
    nlohmann::ordered_json messages = messages_of(question.content);
    messages.push_back({{"role", "assistant"}, {"content", answer}});
    INVAR_TRY(const EncodedPrompt whole,
              encode_conversation(*tokenizer_, *chat_template_, messages, question.tools));
    if (!whole.text.starts_with(encoded.text))
      return error("the chat template does not write an answer behind the prompt it asks for one with");
    // A prompt's tokens are what the sampler is given: the answer is encoded apart from it.
    INVAR_TRY(ids, tokenizer_->encode(std::string_view(whole.text).substr(encoded.text.size()),
                                      {.add_special_tokens = false, .parse_special = true}));
  } else {
    INVAR_TRY(ids, tokenizer_->encode(answer, {.add_special_tokens = false}));
  }
  if (const std::optional<int32_t> eos = tokenizer_->eos_id()) {
    const auto end = std::find(ids.begin(), ids.end(), *eos);
    ids.erase(end, ids.end());
    ids.push_back(*eos);
  }
  return ids;
}

Result<PromptSource::Row> PromptSource::encode_with_answer(const Prompt& prompt) const {
  Prompt question = prompt;
  std::string answer = label_text(prompt.label);
  if (question.content.is_array() && question.content.back().value("role", "") == "assistant") {
    const nlohmann::ordered_json last = question.content.back();
    question.content.erase(question.content.size() - 1);
    if (last.contains("content") && last["content"].is_string()) answer = last["content"].get<std::string>();
  }
  if (answer.empty() || question.content.empty())
    return error("expected an answer to learn: a label, or a chat whose last message is the assistant's");
  INVAR_TRY(const EncodedPrompt encoded, encode(question));
  INVAR_TRY(const std::vector<int32_t> ids, answer_ids(encoded, question, answer));
  Row row{.tokens = encoded.ids, .prompt_tokens = std::ssize(encoded.ids)};
  row.tokens.insert(row.tokens.end(), ids.begin(), ids.end());
  return row;
}

std::string PromptSource::digest() const {
  return task_ ? fmt::format("task {} {}", data_.task, data_.difficulty) : prompts_->digest();
}

}  // namespace invar
