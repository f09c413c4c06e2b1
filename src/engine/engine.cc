#include "engine/engine.h"

#include <algorithm>
#include <map>
#include <new>

#include "engine/sampler.h"
#include "engine/scheduler.h"

namespace invar {
namespace {

constexpr int32_t kPriorityMax = 1000;

Status check_options(const Executor::Limits& limits, const EngineOptions& options) {
  if (options.max_running < 1)
    return error("max_running: expected at least 1, found {}", options.max_running);
  if (options.prefill_rows < 1)
    return error("prefill_rows: expected at least 1, found {}", options.prefill_rows);
  if (options.prefill_rows > limits.rows_max - options.max_running)
    return error(
        "prefill_rows and max_running: expected at most {} together, the rows of the executor; found {} and "
        "{}",
        limits.rows_max, options.prefill_rows, options.max_running);
  for (int32_t id : options.eos_ids) {
    if (id < 0 || id >= limits.vocab)
      return error("eos_ids: expected token ids from 0 to {}, found {}", limits.vocab - 1, id);
  }
  return Ok{};
}

}  // namespace

struct Engine::Impl {
  Impl(Executor& executor_, Queue& queue, EngineOptions options_)
      : executor(executor_),
        options(std::move(options_)),
        sampler(executor_, queue, options.eos_ids),
        scheduler(executor_, {.prefill_rows = options.prefill_rows,
                              .max_running = options.max_running,
                              .prefix_cache = options.prefix_cache,
                              .tokenizer = options.tokenizer}) {}

  Status check(const Request& request) const;
  void take(const Sampler::Drawn& drawn);
  void end_step();
  void abort(RequestState& state);

  Executor& executor;
  EngineOptions options;
  Sampler sampler;
  Scheduler scheduler;
  std::map<RequestId, RequestState> requests;  // nodes stay where they are
  RequestId last_id = 0;
  bool stepping = false;
  bool abort_wanted = false;  // by on_token: some state is marked aborted
  EngineStats stats;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(Executor& executor, invar::Queue& queue,
                                               EngineOptions options) {
  INVAR_RETURN_IF_ERROR(check_options(executor.limits(), options));
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(executor, queue, std::move(options))));
}

Status Engine::Impl::check(const Request& request) const {
  const Executor::Limits& limits = executor.limits();
  const int64_t prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt == 0) return error("the prompt is empty; expected at least one token");
  for (int32_t token : request.prompt) {
    if (token < 0 || token >= limits.vocab)
      return error("prompt: unknown token id {}; this model's ids are 0 to {}", token, limits.vocab - 1);
  }
  INVAR_RETURN_IF_ERROR(validate(request.sampling, limits.vocab));
  const int64_t output = request.sampling.max_tokens;
  if (prompt > limits.context || output > limits.context - prompt)
    return error(
        "{} prompt tokens and {} output tokens exceed this model's context of {}; shorten the prompt or ask "
        "for fewer "
        "tokens",
        prompt, output, limits.context);
  if (prompt + output > limits.pages * limits.page_size)
    return error(
        "{} prompt tokens and {} output tokens exceed the KV cache of {} tokens; shorten it or raise the "
        "limit",
        prompt, output, limits.pages * limits.page_size);
  if (!request.sampling.stop.empty() && options.tokenizer == nullptr)
    return error("stop: stop strings need a tokenizer, and this engine has none; use stop_token_ids");
  if (request.top_log_probs < 0 || request.top_log_probs > std::min<int64_t>(kTopLogProbsMax, limits.vocab))
    return error("top_log_probs: expected 0 to {}, found {}",
                 std::min<int64_t>(kTopLogProbsMax, limits.vocab), request.top_log_probs);
  if (request.priority < -kPriorityMax || request.priority > kPriorityMax)
    return error("priority: expected {} to {}, found {}", -kPriorityMax, kPriorityMax, request.priority);
  return Ok{};
}

Result<RequestId> Engine::submit(Request request) {
  INVAR_CHECK(!impl_->stepping, "submit() inside step()");
  const RequestId id = impl_->last_id + 1;
  try {
    INVAR_RETURN_IF_ERROR(impl_->check(request));
    RequestState& state = impl_->requests.try_emplace(id, id, std::move(request)).first->second;
    impl_->scheduler.enqueue(state);
  } catch (const std::bad_alloc&) {
    impl_->requests.erase(id);
    return Error{"out of memory"};  // short enough to need none itself
  }
  impl_->last_id = id;
  return id;
}

void Engine::Impl::take(const Sampler::Drawn& drawn) {
  Sequence& sequence = *drawn.sequence;
  RequestState& state = *sequence.state;
  const SamplingParams& sampling = state.request.sampling;
  SampleResult& result = sequence.result();
  sequence.tokens.push_back(drawn.token);
  if (!sequence.count_of.empty()) sequence.count(drawn.token, false);
  result.tokens.push_back(drawn.token);
  result.log_probs.push_back(drawn.log_prob);
  ++stats.output_tokens;

  const int64_t count = static_cast<int64_t>(result.tokens.size());
  std::string piece;
  try {
    if (sequence.text) piece = sequence.text->push(drawn.token, count > sampling.min_tokens);
  } catch (const std::bad_alloc&) {
    sequence.finish(FinishReason::kError);
    return fail_for_memory(result);
  }
  bool stops = true;
  FinishReason reason = FinishReason::kStop;
  if (sampler.is_stop(sampling, drawn.token)) {
    result.stop_token = drawn.token;
  } else if (sequence.text && sequence.text->stopped()) {
    result.stop_string = sequence.text->stop_string();
  } else if (count >= sampling.max_tokens) {
    reason = FinishReason::kLength;
  } else {
    stops = false;
  }
  try {
    if (stops && sequence.text) piece += sequence.text->finish();
  } catch (const std::bad_alloc&) {  // some of the text that was held back is lost
    sequence.finish(FinishReason::kError);
    return fail_for_memory(result);
  }
  try {
    if (state.request.on_token && !state.aborted) {
      const TokenEvent event{.request = state.id,
                             .sample = sequence.sample,
                             .token = drawn.token,
                             .log_prob = drawn.log_prob,
                             .text = piece};
      if (!state.request.on_token(event)) stops = true;
    }
  } catch (...) {
    // What on_token throws is step()'s caller's; the token has been drawn all the same.
    if (stops) sequence.finish(reason);
    throw;
  }
  if (stops) sequence.finish(reason);
}

// What is aborted or has nothing to draw leaves with what is done.
void Engine::Impl::end_step() {
  if (abort_wanted) {
    abort_wanted = false;
    for (auto& [id, state] : requests) {
      if (state.aborted && state.unfinished > 0) state.unfinished -= scheduler.remove_waiting(state);
    }
  }
  for (const auto& sequence : scheduler.running()) {
    if (!sequence->done && sequence->state->aborted) sequence->finish(FinishReason::kAborted);
    if (!sequence->done && sequence->computed == sequence->size()) sequence->finish(FinishReason::kLength);
    if (sequence->done) --sequence->state->unfinished;
  }
  scheduler.retire();
}

bool Engine::step() {
  Impl& m = *impl_;
  if (m.scheduler.idle()) return false;
  m.stepping = true;
  const Step& step = m.scheduler.plan();
  if (step.rows() > 0) {
    try {
      m.executor.forward(step.batch());
      m.sampler.draw(step, [&m](const Sampler::Drawn& drawn) { m.take(drawn); });
    } catch (...) {
      // Some rows may have drawn and others not: all are computed again, to the same bits.
      m.end_step();
      m.scheduler.preempt_all();
      m.stepping = false;
      throw;
    }
    m.scheduler.computed();
  }
  m.end_step();
  m.stepping = false;
  ++m.stats.steps;
  m.stats.decode_rows += step.decode_rows;
  m.stats.prefill_rows += step.rows() - step.decode_rows;
  return true;
}

void Engine::Impl::abort(RequestState& state) {
  state.aborted = true;
  if (stepping) {
    abort_wanted = true;
    return;
  }
  state.unfinished -= scheduler.remove_waiting(state);
  end_step();
}

bool Engine::abort(RequestId id) {
  const auto found = impl_->requests.find(id);
  if (found == impl_->requests.end() || found->second.unfinished == 0) return false;
  impl_->abort(found->second);
  return true;
}

void Engine::abort_all() {
  for (auto& [id, state] : impl_->requests) {
    if (state.unfinished > 0) impl_->abort(state);
  }
}

bool Engine::done(RequestId id) const {
  const auto found = impl_->requests.find(id);
  return found != impl_->requests.end() && found->second.unfinished == 0;
}

RequestResult Engine::take(RequestId id) {
  const auto found = impl_->requests.find(id);
  INVAR_CHECK(found != impl_->requests.end() && found->second.unfinished == 0, "request {} is not done", id);
  RequestResult result = std::move(found->second.result);
  impl_->requests.erase(found);
  return result;
}

Result<std::vector<RequestResult>> Engine::run(std::vector<Request> requests,
                                               const std::function<bool()>& interrupted) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (const Status status = impl_->check(requests[i]); !status.ok())
      return error("request {}: {}", i, status.message());
  }
  std::vector<RequestId> ids;
  std::vector<RequestResult> results;
  ids.reserve(requests.size());
  results.reserve(requests.size());
  const auto leave_nothing = [&] {
    for (std::size_t i = results.size(); i < ids.size(); ++i) {
      abort(ids[i]);
      take(ids[i]);
    }
  };
  for (Request& request : requests) {
    Result<RequestId> id = submit(std::move(request));
    if (!id.ok()) {  // out of memory
      leave_nothing();
      return std::move(id).take_error();
    }
    ids.push_back(*id);
  }
  try {
    while (results.size() < ids.size()) {
      const RequestId id = ids[results.size()];
      if (done(id)) {
        results.push_back(take(id));
      } else if (interrupted && interrupted()) {
        for (RequestId unfinished : ids) abort(unfinished);
      } else {
        step();
      }
    }
  } catch (const std::bad_alloc&) {
    leave_nothing();
    return Error{"out of memory"};
  } catch (...) {
    leave_nothing();
    throw;
  }
  return results;
}

void Engine::weights_changed() {
  INVAR_CHECK(!impl_->stepping, "weights_changed() inside step()");
  impl_->scheduler.weights_changed();
}

void Engine::flush_cache() { impl_->scheduler.flush_cache(); }

void Engine::preempt_all() {
  INVAR_CHECK(!impl_->stepping, "preempt_all() inside step()");
  impl_->scheduler.preempt_all();
}

EngineStats Engine::stats() const {
  const Scheduler& scheduler = impl_->scheduler;
  EngineStats stats = impl_->stats;
  stats.cached_tokens = scheduler.cached_tokens();
  stats.preemptions = scheduler.preemptions();
  stats.evicted_pages = scheduler.evicted_pages();
  stats.copied_pages = scheduler.copied_pages();
  stats.waiting = scheduler.waiting();
  stats.running = static_cast<int64_t>(scheduler.running().size());
  stats.pages = scheduler.pool().pages();
  stats.free_pages = scheduler.pool().free_pages();
  stats.cached_pages = scheduler.cached_pages();
  return stats;
}

std::string Engine::check() const { return impl_->scheduler.check(); }

}  // namespace invar
