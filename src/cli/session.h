// Session: a model opened for running: weights, tokenizer, chat template, threads and engine.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "engine/engine.h"
#include "engine/model_executor.h"
#include "model/weight_digest.h"
#include "model/weights.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/reference_model.h"

namespace invar {

struct Session {
  WeightSource weights;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  DecoderModel model;
  WeightDigest digest;  // of the model as it was loaded
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Queue> queue;
  std::unique_ptr<ModelExecutor> executor;
  std::unique_ptr<Engine> engine;
  double load_s = 0;

  // What the chat template makes of a conversation that the model is to answer, as token ids. `messages` is a list of
  // {role, content}. Errors: no template, or one that refuses.
  Result<std::vector<int32_t>> encode_chat(const nlohmann::ordered_json& messages) const;
};

// Opens everything. Errors: a missing or broken file, an unknown architecture, a bad --profile, --isa, --threads or
// page size.
Result<std::unique_ptr<Session>> open_session(const ModelOptions& options);

// A second model that runs with the session's queue. micro_batch_rows: see ReferenceModel. Errors: those of opening a
// model; another tokenizer than the session's, or a vocabulary of another size.
Result<std::unique_ptr<ReferenceModel>> open_reference(const std::string& path, const Session& session,
                                                       int64_t micro_batch_rows);

// The tokenizer that belongs to the weights: in the GGUF file, or beside the safetensors.
Result<Tokenizer> open_tokenizer(const WeightSource& weights);

// The queue's settings from their names, checked.
Result<Profile> profile_option(const std::string& name);
Result<Tier> tier_option(const std::string& name);
Result<int> threads_option(int threads);

}  // namespace invar
