// PromptSource: the prompts of a run, from a built-in task or files, as token ids.
#pragma once

#include <optional>
#include <string>

#include "rl/data.h"
#include "rl/tasks/task.h"
#include "rl/train_config.h"
#include "text/chat_encoder.h"

namespace invar {

class PromptSource {
 public:
  // chat_template: null: prompts are text. Both must outlive this. Errors: an unknown task, a file of prompts that is
  // refused; a chat without a template.
  static Result<PromptSource> open(const TrainConfig& config, const Tokenizer& tokenizer,
                                   const ChatTemplate* chat_template);

  // Draw number `ordinal` of the run, from 0 on: the order of a file is DataCursor's.
  Prompt train(int64_t ordinal);
  Prompt held_out(int64_t index) const;
  int64_t held_out_count() const;

  // What the model reads. Errors: what the template or the tokenizer refuses.
  Result<EncodedPrompt> encode(const Prompt& prompt) const;

  // The prompt and the answer that fine-tuning teaches: the label, or the last message of a chat that is the
  // assistant's; what ends an answer is part of it. Errors: no answer; a template that writes the answer otherwise than
  // it prompts for one.
  struct Row {
    std::vector<int32_t> tokens;
    int64_t prompt_tokens;
  };
  Result<Row> encode_with_answer(const Prompt& prompt) const;

  // Of the prompts' file, or the task's name: a resumed run checks it.
  std::string digest() const;

 private:
  nlohmann::ordered_json messages_of(const nlohmann::ordered_json& content) const;
  Result<std::vector<int32_t>> answer_ids(const EncodedPrompt& encoded, const Prompt& question,
                                          const std::string& answer) const;
  PromptSource(const TrainConfig::Data& data, const Tokenizer& tokenizer, const ChatTemplate* chat_template)
      : data_(data), tokenizer_(&tokenizer), chat_template_(chat_template) {}

  TrainConfig::Data data_;
  const Tokenizer* tokenizer_;
  const ChatTemplate* chat_template_;
  std::optional<Task> task_;
  std::optional<PromptSet> prompts_, held_out_;
  std::optional<DataCursor> cursor_;
};

}  // namespace invar
