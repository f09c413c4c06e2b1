#include "cli/session.h"

#include <sys/sysinfo.h>

#include <thread>

#include "base/clock.h"
#include "cli/terminal.h"
#include "model/coverage.h"
#include "model/fingerprint.h"
#include "model/registry.h"
#include "text/chat_encoder.h"

namespace invar {
namespace {

Status check_page_size(int64_t page_size) {
  if (page_size == 16 || page_size == 32 || page_size == 64 || page_size == 128) return Ok{};
  return error("--page-size: expected 16, 32, 64 or 128, found {}", page_size);
}

Status check_positive(const char* option, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return Ok{};
  return error("{}: expected 1 to {}, found {}", option, most, value);
}

// A model's weights are held twice while they are packed, one tensor at a time; refuse what cannot fit at all.
Status check_memory(const WeightSource& weights) {
  struct sysinfo info = {};
  if (sysinfo(&info) != 0) return Ok{};
  const int64_t available = static_cast<int64_t>(info.totalram) * info.mem_unit;
  const int64_t needed = parameter_count(weights.config()) * static_cast<int64_t>(sizeof(bf16));
  if (needed < available) return Ok{};
  return error("this model needs at least {} GiB of memory for its weights, and the machine has {} GiB",
               needed >> 30, available >> 30);
}

// The pages of MicroBatch.
constexpr int64_t kTrainPageSize = 64;

std::optional<int32_t> first_other_token(const Tokenizer& a, const Tokenizer& b) {
  for (int32_t id = 0; id < std::max(a.vocab_size(), b.vocab_size()); ++id) {
    if (a.is_token(id) != b.is_token(id) || a.is_special(id) != b.is_special(id) ||
        a.token_bytes(id) != b.token_bytes(id))
      return id;
  }
  return std::nullopt;
}

}  // namespace

Result<Tokenizer> open_tokenizer(const WeightSource& weights) {
  if (weights.gguf() == nullptr) return load_tokenizer(weights.folder());
  INVAR_TRY(TokenizerParts parts, tokenizer_from_gguf(*weights.gguf()));
  return Tokenizer(std::move(parts));
}

Result<Profile> profile_option(const std::string& name) {
  const auto profile = parse_profile(name);
  if (!profile) return error("--profile: expected {}, found \"{}\"", profile_names(), name);
  return *profile;
}

Result<Tier> tier_option(const std::string& name) {
  if (name == "best") return best_tier();
  const auto tier = parse_tier(name);
  if (!tier) return error("--isa: expected best, {}, found \"{}\"", tier_names(), name);
  if (!tier_supported(*tier))
    return error("--isa: this CPU has no {}; its best tier is {}", name, tier_name(best_tier()));
  return *tier;
}

Result<int> threads_option(int threads) {
  if (threads == 0) return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (threads < 0 || threads > 1024)
    return error("--threads: expected 1 to 1024, or 0 (one for each core), found {}", threads);
  return threads;
}

Result<std::unique_ptr<Session>> open_session(const ModelOptions& options) {
  const double begin_s = monotonic_seconds();
  INVAR_TRY(const Profile profile, profile_option(options.profile));
  INVAR_TRY(const Tier tier, tier_option(options.isa));
  INVAR_TRY(const int threads, threads_option(options.threads));
  INVAR_RETURN_IF_ERROR(check_page_size(options.page_size));
  INVAR_RETURN_IF_ERROR(check_positive("--chunked-prefill-size", options.step_rows, 65536));
  INVAR_RETURN_IF_ERROR(check_positive("--max-running-requests", options.batch_max, 4096));
  INVAR_RETURN_IF_ERROR(check_positive("--kv-cache-mib", options.kv_mib, int64_t{1} << 24));

  INVAR_TRY(WeightSource weights, WeightSource::open(options.path));
  INVAR_RETURN_IF_ERROR(check_memory(weights));
  INVAR_TRY(Tokenizer tokenizer, open_tokenizer(weights));
  if (tokenizer.vocab_size() > weights.config().vocab_size)
    return error("{}: the tokenizer has {} tokens, the model only {}", options.path, tokenizer.vocab_size(),
                 weights.config().vocab_size);
  std::optional<ChatTemplate> chat_template;
  if (!tokenizer.chat_template().empty()) {
    INVAR_TRY(chat_template, ChatTemplate::parse(tokenizer.chat_template()));
  }
  // Refused before the weights are read: what needs no weight to be known.
  INVAR_RETURN_IF_ERROR(check_coverage(weights.config(), profile, tier, options.page_size, threads));
  auto pool = std::make_unique<ThreadPool>(threads);
  INVAR_TRY(DecoderModel model, load_decoder(weights, pool.get()));
  WeightDigest digest = WeightDigest::of(model, *pool);
  INVAR_TRY(std::string fingerprint, model_fingerprint(model.config, profile, digest.combined()));

  auto session = std::make_unique<Session>(Session{.weights = std::move(weights),
                                                   .tokenizer = std::move(tokenizer),
                                                   .chat_template = std::move(chat_template),
                                                   .model = std::move(model),
                                                   .digest = std::move(digest)});
  session->pool = std::move(pool);
  session->queue = std::make_unique<Queue>(*session->pool, profile, tier);
  INVAR_TRY(session->executor, ModelExecutor::create(session->model, *session->queue,
                                                     {.rows_max = options.step_rows + options.batch_max,
                                                      .page_size = options.page_size,
                                                      .kv_bytes = options.kv_mib << 20,
                                                      .running = options.batch_max},
                                                     std::move(fingerprint)));
  EngineOptions engine{
      .prefill_rows = options.step_rows, .max_running = options.batch_max, .tokenizer = &session->tokenizer};
  for (int64_t id : session->model.config.eos_ids) engine.eos_ids.push_back(static_cast<int32_t>(id));
  if (engine.eos_ids.empty() && session->tokenizer.eos_id())
    engine.eos_ids.push_back(*session->tokenizer.eos_id());
  INVAR_TRY(session->engine, Engine::create(*session->executor, *session->queue, std::move(engine)));
  session->load_s = monotonic_seconds() - begin_s;
  return session;
}

Result<std::unique_ptr<ReferenceModel>> open_reference(const std::string& path, const Session& session,
                                                       int64_t micro_batch_rows) {
  INVAR_TRY(const WeightSource weights, WeightSource::open(path));
  const ModelConfig& config = weights.config();
  if (config.vocab_size != session.model.config.vocab_size)
    return error("reference model {}: expected a vocabulary of {} tokens, as the model that is trained has, found {}",
                 path, session.model.config.vocab_size, config.vocab_size);
  INVAR_TRY(const Tokenizer tokenizer, open_tokenizer(weights));
  if (const std::optional<int32_t> id = first_other_token(session.tokenizer, tokenizer))
    return error("reference model {}: expected the tokenizer of the model that is trained, found another token {}",
                 path, *id);
  INVAR_RETURN_IF_ERROR(check_memory(weights));
  INVAR_RETURN_IF_ERROR(check_coverage(config, session.queue->profile(), session.queue->tier(), kTrainPageSize,
                                       session.pool->threads()));
  INVAR_TRY(DecoderModel model, load_decoder(weights, session.pool.get()));
  return std::make_unique<ReferenceModel>(std::move(model), *session.queue, micro_batch_rows);
}

Result<std::vector<int32_t>> Session::encode_chat(const nlohmann::ordered_json& messages) const {
  if (!chat_template)
    return error("this model has no chat template; --no-chat-template gives it the prompt as it is");
  INVAR_TRY(EncodedPrompt prompt, invar::encode_chat(tokenizer, *chat_template, messages));
  return std::move(prompt.ids);
}

}  // namespace invar
