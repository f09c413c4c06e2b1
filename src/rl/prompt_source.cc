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

Result<EncodedPrompt> PromptSource::encode(const Prompt& prompt) const {
  nlohmann::ordered_json messages = prompt.content;
  if (data_.chat_template) {
    if (messages.is_string())
      messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", messages}}});
    if (!data_.system.empty() && messages.front().value("role", "") != "system")
      messages.insert(messages.begin(), {{"role", "system"}, {"content", data_.system}});
    return encode_chat(*tokenizer_, *chat_template_, messages, prompt.tools);
  }
  if (!messages.is_string()) return error("a chat, and data.chat_template is off");
  EncodedPrompt encoded{.text = data_.system + messages.get<std::string>(), .ids = {}};
  INVAR_TRY(encoded.ids, tokenizer_->encode(encoded.text));
  return encoded;
}

std::string PromptSource::digest() const {
  return task_ ? fmt::format("task {} {}", data_.task, data_.difficulty) : prompts_->digest();
}

}  // namespace invar
