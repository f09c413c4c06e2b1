#include "verify/local_target.h"

#include <algorithm>
#include <numeric>

#include "verify/draw.h"

namespace invar {
namespace {

// preempt_all() at a third of the steps at first, and more rarely after each: without a cache everything begins again,
// and a long prompt in small chunks would never come to its end.
constexpr uint64_t kPreemptOneIn = 3;
// Of a late arrival, two thirds of the places between steps.
constexpr uint64_t kArriveUpTo = 3;

int64_t tokens_of(const Case& c) { return static_cast<int64_t>(c.prompt.size()) + c.sampling.max_tokens; }

int64_t pages_for(int64_t tokens, int64_t page) { return (tokens + page - 1) / page; }

Request request_of(const Case& c) {
  return {.prompt = c.prompt, .sampling = c.sampling, .prompt_log_probs = c.prompt_log_probs};
}

// Prompts that share their first two thirds with a case's and then go another way.
std::vector<Case> with_other_ends(std::span<const Case> cases, int64_t vocab) {
  std::vector<Case> others(cases.begin(), cases.end());
  for (Case& c : others) {
    for (std::size_t i = c.prompt.size() * 2 / 3; i < c.prompt.size(); ++i)
      c.prompt[i] = static_cast<int32_t>((c.prompt[i] + 1) % vocab);
    c.prompt_log_probs = false;
    c.sampling.max_tokens = 1;
  }
  return others;
}

// One prompt that shares nothing with the cases and fills `tokens`.
Case filler(int64_t tokens, int64_t vocab, Draw& draw) {
  Case c;
  c.sampling = {.temperature = 0, .max_tokens = 1, .ignore_eos = true};
  for (int64_t i = 1; i < tokens; ++i) c.prompt.push_back(static_cast<int32_t>(draw.below(vocab)));
  return c;
}

}  // namespace

struct LocalTarget::Machinery {
  Machinery(ThreadPool& pool, Profile profile, Tier tier) : queue(pool, profile, tier) {}
  Queue queue;
  std::unique_ptr<ModelExecutor> executor;
  std::unique_ptr<Engine> engine;
};

LocalTarget::LocalTarget(const DecoderModel& model, Options options)
    : model_(model), options_(std::move(options)) {}

ThreadPool& LocalTarget::pool(int threads) {
  if (!pool_ || pool_->threads() != threads) {
    pool_.reset();
    pool_ = std::make_unique<ThreadPool>(threads);
  }
  return *pool_;
}

Result<std::unique_ptr<LocalTarget::Machinery>> LocalTarget::build(std::span<const Case> cases,
                                                                   const Setting& setting) {
  auto machinery = std::make_unique<Machinery>(pool(static_cast<int>(setting[kThreads])), options_.profile,
                                               static_cast<Tier>(setting[kIsa]));
  const int64_t page = setting[kPage];
  int64_t longest = 0;
  int64_t together = 0;
  for (const Case& c : cases) {
    longest = std::max(longest, pages_for(tokens_of(c), page));
    together += pages_for(tokens_of(c), page) + 2;
  }
  const bool tight = setting[kPool] == kPoolTight;
  // Room for what runs and what ran before; for less than half of it where pages are to be taken away.
  int64_t pages = setting[kCache] == kCacheOff ? together : 2 * together;
  if (setting[kCache] == kCacheEvicted) pages = std::max(longest + 2, together / 2);
  if (tight) pages = longest + 1;
  INVAR_TRY(machinery->executor,
            ModelExecutor::create(model_, machinery->queue,
                                  {.rows_max = setting[kChunk] + setting[kBatch],
                                   .page_size = page,
                                   .kv_bytes = pages * ModelExecutor::page_bytes(model_, page),
                                   .running = pages},
                                  ""));
  INVAR_TRY(machinery->engine, Engine::create(*machinery->executor, machinery->queue,
                                              {.prefill_rows = setting[kChunk],
                                               .max_running = setting[kBatch],
                                               .prefix_cache = setting[kCache] != kCacheOff}));
  return machinery;
}

Result<std::vector<RequestResult>> LocalTarget::drive(Engine& engine, std::span<const Case> cases,
                                                      const Setting& setting) {
  std::vector<std::size_t> order(cases.size());
  std::iota(order.begin(), order.end(), 0);
  Draw order_draw(static_cast<uint64_t>(setting[kOrder]));
  if (setting[kOrder] != 0) order_draw.shuffle(order);
  Draw arrival(static_cast<uint64_t>(setting[kArrival]));
  Draw preemption(static_cast<uint64_t>(setting[kPreempt]));

  std::vector<RequestId> ids(cases.size(), 0);
  std::size_t submitted = 0;
  uint64_t preempt_one_in = kPreemptOneIn;
  bool busy = true;
  while (busy || submitted < order.size()) {
    std::size_t more = order.size() - submitted;
    if (setting[kArrival] != 0)
      more = std::min<std::size_t>(more, static_cast<std::size_t>(arrival.below(kArriveUpTo)));
    for (; more > 0; --more, ++submitted) {
      INVAR_TRY(ids[order[submitted]], engine.submit(request_of(cases[order[submitted]])));
    }
    if (options_.interrupted && options_.interrupted()) return error("interrupted");
    if (setting[kPreempt] != 0 && preemption.below(preempt_one_in) == 0) {
      engine.preempt_all();
      preempt_one_in += preempt_one_in / 2;
    }
    busy = engine.step();
  }
  std::vector<RequestResult> results;
  for (RequestId id : ids) results.push_back(engine.take(id));
  return results;
}

Status LocalTarget::warm(Engine& engine, std::span<const Case> cases, const Setting& setting) {
  if (setting[kCache] < kCacheHit) return Ok{};
  Setting plain = setting;
  plain[kOrder] = plain[kArrival] = plain[kPreempt] = 0;
  const int64_t vocab = model_.config.vocab_size;
  std::vector<Case> before(cases.begin(), cases.end());
  // Scored prompts are computed in full whatever the cache has; here they are to leave their pages in it.
  for (Case& c : before) c.prompt_log_probs = false;
  if (setting[kCache] == kCachePartial) before = with_other_ends(cases, vocab);
  auto ran = drive(engine, before, plain);
  if (!ran.ok()) return std::move(ran).take_error();
  if (setting[kCache] != kCacheEvicted) return Ok{};
  Draw draw(1);
  const EngineStats stats = engine.stats();
  const int64_t room = std::min(stats.pages * setting[kPage] * 2 / 3, model_.config.max_position);
  const Case fill = filler(std::max<int64_t>(2, room), vocab, draw);
  auto filled = drive(engine, {&fill, 1}, plain);
  if (!filled.ok()) return std::move(filled).take_error();
  return Ok{};
}

Result<Outcome> LocalTarget::run(std::span<const Case> cases, const Setting& setting) {
  INVAR_TRY(const auto machinery, build(cases, setting));
  Engine& engine = *machinery->engine;
  INVAR_RETURN_IF_ERROR(warm(engine, cases, setting));
  const EngineStats before = engine.stats();
  INVAR_TRY(const std::vector<RequestResult> results, drive(engine, cases, setting));
  const EngineStats after = engine.stats();
  Outcome outcome;
  outcome.evidence = {.preemptions = after.preemptions - before.preemptions,
                      .evicted_pages = after.evicted_pages,
                      .cached_tokens = after.cached_tokens - before.cached_tokens};
  for (const RequestResult& result : results) {
    const SampleResult& sample = result.samples.front();
    if (sample.finish == FinishReason::kError) return error("the engine: {}", sample.message);
    Output output;
    output.tokens = sample.tokens;
    output.log_probs.assign(sample.log_probs.begin(), sample.log_probs.end());
    output.prompt_log_probs.assign(result.prompt_log_probs.begin(), result.prompt_log_probs.end());
    outcome.outputs.push_back(std::move(output));
  }
  return outcome;
}

Result<std::vector<double>> LocalTarget::score(const Case& drawn, const Output& output,
                                               const Setting& setting) {
  Case scored{.prompt = drawn.prompt, .sampling = {.max_tokens = 0}, .prompt_log_probs = true};
  scored.prompt.insert(scored.prompt.end(), output.tokens.begin(), output.tokens.end());
  INVAR_TRY(const Outcome outcome, run({&scored, 1}, setting));
  const std::vector<double>& all = outcome.outputs.front().prompt_log_probs;
  return std::vector<double>(all.end() - static_cast<std::ptrdiff_t>(output.tokens.size()), all.end());
}

}  // namespace invar
