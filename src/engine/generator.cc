#include "engine/generator.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "kernels/log_probs.h"
#include "kernels/sample.h"

namespace invar {
namespace {

// Rows of logits held at a time: bounds the memory of prompt log-probs, V floats a row.
constexpr int64_t kLogitRows = 64;

}  // namespace

struct Generator::Running {
  std::size_t index;  // of its request
  int64_t prompt_size;
  std::vector<int32_t> tokens;  // prompt, then what was drawn
  int64_t cached = 0;           // positions [0, cached) are in the pages
  std::vector<int32_t> pages;
  std::vector<TokenCount> counts;  // for penalties; empty where the request has none
  std::vector<int32_t> count_of;   // token -> its place in counts, or -1
  bool done = false;

  void count(int32_t token, bool in_prompt) {
    if (count_of[token] < 0) {
      count_of[token] = static_cast<int32_t>(counts.size());
      counts.push_back({.token = token, .prompt = 0, .output = 0});
    }
    TokenCount& entry = counts[count_of[token]];
    ++(in_prompt ? entry.prompt : entry.output);
  }
};

struct Generator::Step {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<SequenceChunk> chunks;
  std::vector<std::size_t> owners;  // chunks[i] belongs to running_[owners[i]]
  bool prefill = false;             // holds rows of a prompt

  void clear() {
    tokens.clear();
    positions.clear();
    chunks.clear();
    owners.clear();
    prefill = false;
  }
};

// A row whose logits are needed: the last one of a sequence draws a token, the others score the prompt's next token.
struct Generator::LogitRow {
  int32_t row;  // among the step's rows
  std::size_t running;
  int64_t position;  // of the token that is scored or drawn
  bool draws;
};

// Kept from step to step, so that a step allocates nothing once these have grown.
struct Generator::Scratch {
  std::vector<LogitRow> wanted;
  std::vector<int32_t> rows, tokens;
  std::vector<SampleRule> rules;
  std::vector<float> temperatures, log_probs;
};

Generator::Generator(const DecoderModel& model, Queue& queue, GenerateOptions options)
    : model_(model), queue_(queue), options_(std::move(options)) {
  INVAR_CHECK(options_.step_rows >= 1 && options_.batch_max >= 1, "step_rows {}, batch_max {}",
              options_.step_rows, options_.batch_max);
  const int64_t rows_max = std::max(options_.step_rows, options_.batch_max);
  activations_ = std::make_unique<Activations>(model_.activation_shape(rows_max));
  logits_ = Buffer<float>(kLogitRows * model_.config.vocab_size);
  gathered_ = Buffer<bf16>(kLogitRows * model_.config.hidden_size);
  step_ = std::make_unique<Step>();
  scratch_ = std::make_unique<Scratch>();
}

Generator::~Generator() = default;

int64_t Generator::pages_for(const GenerateRequest& request) const {
  const int64_t tokens = static_cast<int64_t>(request.prompt.size()) + request.sampling.max_tokens;
  return (tokens + options_.page_size - 1) / options_.page_size;
}

Status Generator::check(const GenerateRequest& request, std::size_t index) const {
  const int64_t vocab = model_.config.vocab_size;
  const int64_t context = model_.config.max_position;
  const int64_t prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt == 0) return error("request {}: the prompt is empty; expected at least one token", index);
  for (int32_t token : request.prompt) {
    if (token < 0 || token >= vocab)
      return error("request {}: unknown token id {}; this model's ids are 0 to {}", index, token, vocab - 1);
  }
  INVAR_RETURN_IF_ERROR(validate(request.sampling, vocab));
  if (prompt + request.sampling.max_tokens > context)
    return error(
        "request {}: {} prompt tokens and {} output tokens exceed this model's context of {}; shorten the "
        "prompt or "
        "ask for fewer tokens",
        index, prompt, request.sampling.max_tokens, context);
  return Ok{};
}

Status Generator::prepare(std::span<const GenerateRequest> requests) {
  int64_t wanted = 0;  // pages of the batch_max largest requests: more can never run at once
  int64_t largest = 0;
  std::vector<int64_t> sizes;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    INVAR_RETURN_IF_ERROR(check(requests[i], i));
    sizes.push_back(pages_for(requests[i]));
  }
  std::sort(sizes.rbegin(), sizes.rend());
  for (std::size_t i = 0; i < sizes.size() && static_cast<int64_t>(i) < options_.batch_max; ++i)
    wanted += sizes[i];
  if (!sizes.empty()) largest = sizes.front();

  const KvLayout layout = model_.kv_layout(options_.page_size);
  const int64_t layers = static_cast<int64_t>(model_.blocks.size());
  const int64_t page_bytes = layers * layout.page_elements() * 2 * static_cast<int64_t>(sizeof(bf16));
  const int64_t allowed = options_.kv_bytes_max / page_bytes;
  if (largest > allowed)
    return error(
        "one request needs {} MiB of KV cache, and the limit is {} MiB; shorten it or raise the limit",
        largest * page_bytes >> 20, options_.kv_bytes_max >> 20);
  wanted = std::min(wanted, allowed);
  if (pool_ && pool_pages_ >= wanted) return Ok{};

  kept_tokens_.clear();
  kept_pages_.clear();
  // Room to grow: a conversation asks for a little more each turn, and a new pool forgets it.
  pool_pages_ = std::min(allowed, wanted + wanted / 2);
  pool_.reset();
  memory_.reset();
  views_.clear();
  INVAR_TRY(
      KvMemory memory,
      KvMemory::create({.layers = layers, .pages = pool_pages_, .page_elements = layout.page_elements()}));
  memory_ = std::make_unique<KvMemory>(std::move(memory));
  pool_ = std::make_unique<PagePool>(pool_pages_);
  for (int64_t layer = 0; layer < layers; ++layer) {
    views_.push_back({.k_pages = reinterpret_cast<bf16*>(memory_->keys(layer)),
                      .v_pages = reinterpret_cast<bf16*>(memory_->values(layer)),
                      .layout = layout});
  }
  return Ok{};
}

bool Generator::admit(const GenerateRequest& request, std::size_t index) {
  if (static_cast<int64_t>(running_.size()) >= options_.batch_max) return false;
  Running next{
      .index = index, .prompt_size = static_cast<int64_t>(request.prompt.size()), .tokens = request.prompt};
  if (!kept_pages_.empty()) {
    // At least the last prompt token is computed again: its logits are needed. Prompt log-probs need every row.
    int64_t shared = 0;
    const int64_t most = request.prompt_log_probs ? 0 : next.prompt_size - 1;
    while (shared < most && shared < static_cast<int64_t>(kept_tokens_.size()) &&
           kept_tokens_[shared] == next.tokens[shared]) {
      ++shared;
    }
    if (shared > 0) {
      next.cached = shared;
      next.pages = std::move(kept_pages_);
    } else {
      pool_->release(kept_pages_);
    }
    kept_pages_.clear();
    kept_tokens_.clear();
  }
  const int64_t missing = pages_for(request) - static_cast<int64_t>(next.pages.size());
  if (missing > 0 && !pool_->allocate(missing, next.pages)) {
    pool_->release(next.pages);
    return false;
  }
  if (!request.sampling.penalties().none()) {
    next.count_of.assign(model_.config.vocab_size, -1);
    for (int32_t token : next.tokens) next.count(token, true);
  }
  stats_.reused_tokens += next.cached;
  running_.push_back(std::move(next));
  return true;
}

void Generator::build_step(Step& step) {
  step.clear();
  int64_t room = std::max(options_.step_rows, static_cast<int64_t>(running_.size()));
  // Decodes first, one row each; prompts share what is left, in order of admission.
  const auto add = [&](std::size_t i, int64_t rows) {
    Running& running = running_[i];
    step.chunks.push_back({.row_begin = static_cast<int64_t>(step.tokens.size()),
                           .rows = rows,
                           .position_begin = running.cached,
                           .pages = running.pages.data()});
    step.owners.push_back(i);
    for (int64_t row = 0; row < rows; ++row) {
      step.tokens.push_back(running.tokens[running.cached + row]);
      step.positions.push_back(static_cast<int32_t>(running.cached + row));
    }
    room -= rows;
  };
  for (std::size_t i = 0; i < running_.size(); ++i) {
    if (running_[i].cached >= running_[i].prompt_size) add(i, 1);
  }
  for (std::size_t i = 0; i < running_.size() && room > 0; ++i) {
    const int64_t left = running_[i].prompt_size - running_[i].cached;
    if (left <= 0) continue;
    add(i, std::min(left, room));
    step.prefill = true;
  }
}

void Generator::run_step(Step& step) {
  forward(queue_, model_, {.tokens = step.tokens, .positions = step.positions, .chunks = step.chunks}, views_,
          *activations_);
  for (std::size_t i = 0; i < step.chunks.size(); ++i) {
    Running& running = running_[step.owners[i]];
    running.cached += step.chunks[i].rows;
    if (running.cached <= running.prompt_size) stats_.prompt_tokens += step.chunks[i].rows;
  }
}

Status Generator::draw(const Step& step, std::span<const GenerateRequest> requests,
                       std::vector<GenerateResult>& results, const TokenCallback& on_token) {
  std::vector<LogitRow>& wanted = scratch_->wanted;
  wanted.clear();
  for (std::size_t i = 0; i < step.chunks.size(); ++i) {
    const SequenceChunk& chunk = step.chunks[i];
    const Running& running = running_[step.owners[i]];
    const bool score_prompt = requests[running.index].prompt_log_probs;
    // Without prompt log-probs only the last row can be wanted.
    for (int64_t row = score_prompt ? 0 : chunk.rows - 1; row < chunk.rows; ++row) {
      const int64_t position = chunk.position_begin + row + 1;
      const bool draws = position == static_cast<int64_t>(running.tokens.size());
      if (!draws && !(score_prompt && position < running.prompt_size)) continue;
      wanted.push_back({.row = static_cast<int32_t>(chunk.row_begin + row),
                        .running = step.owners[i],
                        .position = position,
                        .draws = draws});
    }
  }
  for (std::size_t begin = 0; begin < wanted.size(); begin += kLogitRows) {
    const std::size_t count = std::min<std::size_t>(kLogitRows, wanted.size() - begin);
    INVAR_RETURN_IF_ERROR(score({wanted.data() + begin, count}, requests, results, on_token));
  }
  return Ok{};
}

// Sampling and log-probs are defined for finite logits, and -inf for what is banned. Damaged weights, activations that
// leave bf16's range or a penalty near 0 give others.
Status Generator::check_logits(std::span<const LogitRow> wanted) const {
  const int64_t vocab = model_.config.vocab_size;
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    const float* row = logits_.data() + static_cast<int64_t>(r) * vocab;
    bool wrong = false, any_finite = false;
    for (int64_t v = 0; v < vocab; ++v) {
      wrong |= !(row[v] <= std::numeric_limits<float>::max());
      any_finite |= row[v] >= std::numeric_limits<float>::lowest();
    }
    if (!wrong && any_finite) continue;
    return error(
        "request {}: logits of token {} are infinite or no number; the weights are damaged or do not fit "
        "bf16, or "
        "a penalty is too strong",
        running_[wanted[r].running].index, wanted[r].position);
  }
  return Ok{};
}

Status Generator::score(std::span<const LogitRow> wanted, std::span<const GenerateRequest> requests,
                        std::vector<GenerateResult>& results, const TokenCallback& on_token) {
  const int64_t vocab = model_.config.vocab_size;
  const int64_t rows = static_cast<int64_t>(wanted.size());
  auto& [all_wanted, row_ids, tokens, rules, temperatures, log_prob] = *scratch_;
  row_ids.clear();
  rules.clear();
  temperatures.clear();
  for (const LogitRow& row : wanted) row_ids.push_back(row.row);
  logits(queue_, model_, *activations_, row_ids, gathered_.data(), logits_.data());

  for (int64_t r = 0; r < rows; ++r) {
    const LogitRow& row = wanted[r];
    const GenerateRequest& request = requests[running_[row.running].index];
    // A prompt token is scored by the model's own distribution; a drawn one by what it was drawn from. A greedy draw
    // has no temperature: 1.
    rules.push_back(row.draws ? sample_rule(request.sampling, request.sample, row.position)
                              : SampleRule{.temperature = 0});
    temperatures.push_back(rules.back().temperature == 0 ? 1.0f : rules.back().temperature);
    if (row.draws) {
      process_logits(running_[row.running], request,
                     {logits_.data() + r * vocab, static_cast<std::size_t>(vocab)});
    }
  }
  INVAR_RETURN_IF_ERROR(check_logits(wanted));
  tokens.resize(wanted.size());
  log_prob.resize(wanted.size());
  sample(queue_, {.logits = logits_.data(),
                  .logits_stride = vocab,
                  .rules = rules.data(),
                  .tokens = tokens.data(),
                  .rows = rows,
                  .vocab = vocab});
  for (int64_t r = 0; r < rows; ++r) {
    if (!wanted[r].draws) tokens[r] = running_[wanted[r].running].tokens[wanted[r].position];
  }
  log_probs(queue_, {.logits = logits_.data(),
                     .logits_stride = vocab,
                     .temperature = temperatures.data(),
                     .tokens = tokens.data(),
                     .log_prob = log_prob.data(),
                     .log_sum = nullptr,
                     .rows = rows,
                     .vocab = vocab});
  for (int64_t r = 0; r < rows; ++r) {
    Running& running = running_[wanted[r].running];
    GenerateResult& result = results[running.index];
    if (!wanted[r].draws) {
      result.prompt_log_probs.push_back(log_prob[r]);
    } else {
      take(running, requests[running.index], result, tokens[r], log_prob[r], on_token);
    }
  }
  return Ok{};
}

void Generator::process_logits(Running& running, const GenerateRequest& request,
                               std::span<float> logits) const {
  const SamplingParams& sampling = request.sampling;
  if (!running.counts.empty()) apply_penalties(logits, running.counts, sampling.penalties());
  apply_logit_bias(logits, sampling.logit_bias);
  const int64_t drawn = static_cast<int64_t>(running.tokens.size()) - running.prompt_size;
  if (drawn < sampling.min_tokens) {
    ban_tokens(logits, sampling.stop_token_ids);
    if (!sampling.ignore_eos) ban_tokens(logits, options_.eos_ids);
  }
}

void Generator::take(Running& running, const GenerateRequest& request, GenerateResult& result, int32_t token,
                     float log_prob, const TokenCallback& on_token) {
  const SamplingParams& sampling = request.sampling;
  running.tokens.push_back(token);
  if (!running.counts.empty()) running.count(token, false);
  result.tokens.push_back(token);
  result.log_probs.push_back(log_prob);
  ++stats_.output_tokens;
  const bool wants_more = !on_token || on_token(running.index, token, log_prob);
  const int64_t drawn = static_cast<int64_t>(result.tokens.size());
  if (!wants_more || is_stop(sampling, token)) {
    result.finish = FinishReason::kStop;
    running.done = true;
  } else if (drawn >= sampling.max_tokens) {
    result.finish = FinishReason::kLength;
    running.done = true;
  }
}

bool Generator::is_stop(const SamplingParams& sampling, int32_t token) const {
  const auto has = [token](const std::vector<int32_t>& ids) {
    return std::find(ids.begin(), ids.end(), token) != ids.end();
  };
  return has(sampling.stop_token_ids) || (!sampling.ignore_eos && has(options_.eos_ids));
}

Result<std::vector<GenerateResult>> Generator::run(std::span<const GenerateRequest> requests,
                                                   const TokenCallback& on_token) {
  stats_ = {};
  aborted_ = false;
  INVAR_RETURN_IF_ERROR(prepare(requests));
  std::vector<GenerateResult> results(requests.size());
  std::size_t next = 0;
  Step& step = *step_;
  while (!aborted_ && !(options_.interrupted && options_.interrupted())) {
    while (next < requests.size() && admit(requests[next], next)) ++next;
    if (running_.empty()) break;
    const double begin_s = monotonic_seconds();
    const int64_t drawn = stats_.output_tokens;
    build_step(step);
    run_step(step);
    Status drawn_all = draw(step, requests, results, on_token);
    if (!drawn_all.ok()) {
      forget();
      return std::move(drawn_all).take_error();
    }
    const double took_s = monotonic_seconds() - begin_s;
    (step.prefill ? stats_.prompt_s : stats_.decode_s) += took_s;
    if (!step.prefill) stats_.decode_tokens += stats_.output_tokens - drawn;
    retire();
  }
  for (Running& running : running_) running.done = true;
  retire();
  return results;
}

// After an error nothing in the cache is worth keeping.
void Generator::forget() {
  for (Running& running : running_) pool_->release(running.pages);
  running_.clear();
}

void Generator::retire() {
  for (Running& running : running_) {
    if (!running.done) continue;
    pool_->release(kept_pages_);
    running.tokens.resize(running.cached);
    kept_tokens_ = std::move(running.tokens);
    kept_pages_ = std::move(running.pages);
  }
  std::erase_if(running_, [](const Running& running) { return running.done; });
}

}  // namespace invar
