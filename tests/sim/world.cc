#include "world.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "allocation.h"
#include "requests.h"

namespace invar {
namespace {

// What on_token saw.
struct Seen {
  int32_t token;
  float log_prob;
  int64_t version;
};

struct Tracked {
  RequestId id = 0;
  Request request;  // without on_token
  Ending ending;
  int64_t abort_at = 0;                 // on_token number so many aborts ...
  RequestId abort_target = 0;           // ... this request, or itself where 0
  int64_t throw_at = 0;                 // on_token number so many throws
  std::vector<std::string> texts;       // [n], the pieces that on_token saw
  std::vector<std::vector<Seen>> seen;  // [n]
  int64_t events = 0;
  int64_t submitted = 0;  // step
  int64_t steps_max = 0;  // it is done so many steps later
  int64_t order = 0;
  bool done = false;
};

struct Thrown {};

}  // namespace

struct World::Impl {
  Impl(uint64_t seed, int64_t requests_max);

  bool step();
  bool step_engine(bool busy);
  void happenings();
  void submit();
  void submit_wrong();
  RequestId submit_where_allocations_fail(const Request& request);
  bool on_token(Tracked& tracked, const TokenEvent& event);
  void abort_one(Tracked& tracked);
  void look_at_requests();
  void take(Tracked& tracked);
  void compare(const Tracked& tracked, const RequestResult& result);
  void check();
  void end();

  // Steps that a request can take, at most; see look_at_requests().
  int64_t restart_steps() const { return settings.limits.context / settings.engine.prefill_rows + 4; }
  int64_t cost(const Request& request) const {
    const int64_t tokens = std::ssize(request.prompt) + request.sampling.max_tokens;
    const int64_t restarts = 3 + request.sampling.max_tokens / settings.limits.page_size;
    return request.sampling.n * (tokens / settings.engine.prefill_rows + request.sampling.max_tokens + 4 +
                                 restarts * restart_steps());
  }
  // Those that no restart took which this world forced.
  int64_t own_steps() const { return steps - forced * restart_steps(); }
  bool arrivals_ended() const { return submitted >= std::min(requests_max, settings.requests); }

  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    if (wrong.empty()) wrong = fmt::format(format, std::forward<Args>(args)...);
  }

  WorldSettings settings;
  int64_t requests_max;
  Random random;
  RequestSource source;
  SimExecutor executor;
  ThreadPool pool;
  Queue queue;
  std::unique_ptr<Engine> engine;
  std::map<RequestId, Tracked> live;  // accepted, and not taken
  int64_t lost_rows = 0;              // of steps that on_token ended
  RequestId last_id = 0;
  int64_t submitted = 0, steps = 0, running_steps = 0;
  int64_t output_tokens = 0, preemptions = 0, cached_tokens = 0;  // of the results taken
  WorldEvents events;
  int64_t forced = 0;  // preempt_all() and weights_changed()
  std::string wrong;
};

World::Impl::Impl(uint64_t seed, int64_t requests_max_)
    : settings(seed),
      requests_max(requests_max_),
      random(SimModel::mix(seed + 1)),
      source(settings, SimModel::mix(seed + 2)),
      executor(settings.limits, settings.model),
      pool(settings.threads),
      queue(pool, Profile::kFma32) {
  auto created = Engine::create(executor, queue, settings.engine);
  INVAR_CHECK(created.ok(), "{}", created.message());
  engine = std::move(*created);
}

// What may happen between two steps.
void World::Impl::happenings() {
  const auto now = [&](int64_t one_in) { return one_in > 0 && random.one_in(one_in); };
  // Who is sent back again and again does not come to an end.
  const bool forces = !arrivals_ended() || random.one_in(20);
  if (!arrivals_ended() && (now(settings.submits_one_in) || live.empty())) {
    for (int64_t i = random.between(1, settings.burst_max); i > 0 && !arrivals_ended(); --i) submit();
  }
  if (random.one_in(20)) submit_wrong();
  if (now(settings.aborts_one_in) && !live.empty()) {
    abort_one(std::next(live.begin(), random.below(std::ssize(live)))->second);
  }
  if (now(settings.flushes_one_in)) engine->flush_cache();
  if (now(settings.preempts_one_in) && forces) {
    engine->preempt_all();
    ++forced;
  }
  if (now(settings.weights_one_in) && forces) {
    executor.change_weights();
    engine->weights_changed();
    ++forced;
  }
  if (now(settings.abort_alls_one_in)) {
    for (auto& [id, tracked] : live) tracked.ending.may_abort |= !tracked.done;
    engine->abort_all();
    for (const auto& [id, tracked] : live) {
      if (!engine->done(id)) fail("request {} goes on after abort_all()", id);
    }
  }
}

void World::Impl::abort_one(Tracked& tracked) {
  const bool was_done = engine->done(tracked.id);
  tracked.ending.may_abort |= !was_done;
  if (engine->abort(tracked.id) == was_done) fail("abort({}) says {}", tracked.id, was_done);
  if (!engine->done(tracked.id)) fail("request {} goes on after abort()", tracked.id);
  if (engine->abort(last_id + 1 + static_cast<RequestId>(random.below(3))))
    fail("an unknown request was aborted");
}

void World::Impl::submit_wrong() {
  Request request = source.wrong();
  const EngineStats before = engine->stats();
  const auto id = engine->submit(std::move(request));
  ++events.refused;
  if (id.ok()) fail("a request that is wrong got number {}", *id);
  if (!id.ok() && (id.message().empty() || id.message().find('\n') != std::string::npos))
    fail("no clear message");
  if (engine->stats().waiting != before.waiting) fail("a refused request waits");
}

// 0 when the request was refused, which it is when, and only when, an allocation failed.
RequestId World::Impl::submit_where_allocations_fail(const Request& request) {
  const EngineStats before = engine->stats();
  Request copy = request;
  const int64_t after = random.below(12);
  const bool all_later = random.one_in(2);
  std::optional<Result<RequestId>> id;
  bool failed = false;
  {
    const FailingAllocation failing(after, all_later);
    try {
      id.emplace(engine->submit(std::move(copy)));
    } catch (const std::bad_alloc&) {}
    failed = failing.failed();
  }
  if (id && id->ok() && failed) fail("a request was accepted although an allocation failed");
  if (!failed && (!id || !id->ok())) fail("a request was refused although no allocation failed");
  if (!id) fail("submit() let bad_alloc through");
  if (failed && id && id->message().find("memory") == std::string::npos)
    fail("the message says nothing of memory: {}", id->message());
  if (!failed && id && id->ok()) return **id;
  ++events.failed_allocations;
  const EngineStats stats = engine->stats();
  if (stats.waiting != before.waiting || stats.running != before.running) fail("a refused request waits");
  if (engine->done(last_id + 1) || engine->abort(last_id + 1)) fail("a refused request is known");
  return 0;
}

void World::Impl::submit() {
  ++submitted;
  Tracked tracked;
  tracked.request = source.next();
  if (random.one_in(6)) tracked.ending.stop_after = random.between(1, 6);
  if (random.one_in(10)) {
    tracked.abort_at = random.between(1, 8);
    tracked.abort_target = random.one_in(2) ? 0 : last_id + 1 - static_cast<RequestId>(random.below(5));
  }
  if (random.one_in(20)) tracked.throw_at = random.between(1, 8);
  const int64_t tokens = std::ssize(tracked.request.prompt) + tracked.request.sampling.max_tokens;
  const Executor::Limits& limits = settings.limits;
  const bool fits = tokens <= std::min(limits.context, limits.pages * limits.page_size);
  tracked.seen.resize(static_cast<std::size_t>(tracked.request.sampling.n));
  tracked.texts.resize(tracked.seen.size());
  for (std::size_t s = 0; s < tracked.seen.size(); ++s) {
    // A failing allocation is to be the engine's.
    tracked.seen[s].reserve(static_cast<std::size_t>(tracked.request.sampling.max_tokens));
    tracked.texts[s].reserve(16 * tracked.seen[s].capacity() + 64);
  }
  tracked.order = static_cast<int64_t>(last_id) + 1 - tracked.request.priority * Engine::kArrivalsOfPriority;
  Tracked& place = live[last_id + 1] = std::move(tracked);
  Request request = place.request;
  request.on_token = [this, &place](const TokenEvent& event) { return on_token(place, event); };
  RequestId id = 0;
  if (fits && settings.allocations_fail && random.one_in(4)) {
    id = submit_where_allocations_fail(request);
  } else {
    const auto got = engine->submit(std::move(request));
    if (got.ok() != fits) fail("a request of {} tokens: {}", tokens, got.ok() ? "accepted" : got.message());
    if (got.ok()) id = *got;
  }
  if (id == 0) {
    live.erase(last_id + 1);
    return;
  }
  if (id != ++last_id) fail("request {} got number {}", last_id, id);
  place.id = id;
  place.submitted = own_steps();
  // Who is ahead of it, who has a place or pages now, and itself. What arrives later and goes first adds its own.
  for (auto& [other_id, other] : live) {
    if (other.done) continue;
    place.steps_max += cost(other.request);
    if (other_id != id && place.order < other.order) other.steps_max += cost(place.request);
  }
  const int64_t places = std::min(settings.engine.max_running, limits.pages);
  place.steps_max += places * (settings.output_max + 4 + restart_steps());
}

bool World::Impl::on_token(Tracked& tracked, const TokenEvent& event) {
  if (event.request != tracked.id || event.sample < 0 || event.sample >= tracked.request.sampling.n) {
    fail("an event of request {}, sample {}, came to request {}", event.request, event.sample, tracked.id);
    return true;
  }
  if (tracked.done) fail("request {} draws after its end", tracked.id);
  auto& seen = tracked.seen[static_cast<std::size_t>(event.sample)];
  seen.push_back({.token = event.token, .log_prob = event.log_prob, .version = executor.weights().version});
  tracked.texts[static_cast<std::size_t>(event.sample)] += event.text;
  ++tracked.events;
  const bool goes_on = std::ssize(seen) != tracked.ending.stop_after;
  if (tracked.events == tracked.throw_at && goes_on) throw Thrown{};
  if (tracked.events == tracked.abort_at) {
    const auto target = live.find(tracked.abort_target == 0 ? tracked.id : tracked.abort_target);
    if (target != live.end()) {
      const bool was_done = engine->done(target->first);
      target->second.ending.may_abort |= !was_done;
      if (engine->abort(target->first) == was_done) fail("abort({}) in on_token", target->first);
    }
  }
  return goes_on;
}

// No request waits for ever. In each step the first running sample in the order computes a row or a whole chunk; it
// loses what it has computed only to one that is ahead of it, to its own next page, or to preempt_all(). So the steps
// until a request is done are at most the sum, over the samples that are ahead of it or that held a place when it came,
// of their rows, chunks and restarts.
void World::Impl::look_at_requests() {
  for (auto it = live.begin(); it != live.end();) {
    Tracked& tracked = it->second;
    const bool done = engine->done(tracked.id);
    if (tracked.done && !done) fail("request {} was done and is not", tracked.id);
    tracked.done = done;
    const int64_t age = own_steps() - tracked.submitted;
    if (!done && age > tracked.steps_max)
      fail("request {} starves: {} steps, at most {} can be", tracked.id, age, tracked.steps_max);
    if (done && (arrivals_ended() || random.one_in(3))) {
      take(tracked);
      it = live.erase(it);
    } else {
      ++it;
    }
  }
}

void World::Impl::take(Tracked& tracked) {
  const RequestResult result = engine->take(tracked.id);
  if (engine->done(tracked.id)) fail("request {} is known after take()", tracked.id);
  if (result.id != tracked.id) fail("request {} got the result of {}", tracked.id, result.id);
  compare(tracked, result);
  preemptions += result.preemptions;
  cached_tokens += result.cached_tokens;
  for (const SampleResult& sample : result.samples) {
    output_tokens += std::ssize(sample.tokens);
    ++events.samples;
    events.aborted += sample.finish == FinishReason::kAborted;
    const bool lacked_memory = sample.message == "out of memory";
    events.without_memory += lacked_memory;
    events.broken += sample.finish == FinishReason::kError && !lacked_memory;
    events.stop_strings += !sample.stop_string.empty();
  }
  if (random.one_in(4)) {
    std::vector<int32_t> text = tracked.request.prompt;
    const auto& tokens = result.samples.front().tokens;
    text.insert(text.end(), tokens.begin(), tokens.end());
    source.remember(std::move(text));
  }
}

void World::Impl::compare(const Tracked& tracked, const RequestResult& result) {
  const std::string difference =
      first_difference({.model = settings.model,
                        .eos_ids = settings.engine.eos_ids,
                        .tokenizer = settings.engine.tokenizer},
                       tracked.request, tracked.ending, result, executor.weights().version);
  if (!difference.empty()) fail("request {}: {}", tracked.id, difference);
  for (std::size_t s = 0; s < std::min(result.samples.size(), tracked.seen.size()); ++s) {
    const SampleResult& sample = result.samples[s];
    const auto& seen = tracked.seen[s];
    // Of an aborted request on_token hears no more, and the step's other samples still draw.
    const bool all = seen.size() == sample.tokens.size();
    const bool may_miss = tracked.ending.may_abort || tracked.ending.may_lack_memory;
    if (!all && !(may_miss && seen.size() < sample.tokens.size()))
      fail("request {}: {} events for {} tokens", tracked.id, seen.size(), sample.tokens.size());
    if (!sample.text.starts_with(tracked.texts[s]) && sample.message != "out of memory")
      fail("request {}: text '{}', on_token saw '{}'", tracked.id, sample.text, tracked.texts[s]);
    std::size_t span = 0;
    for (std::size_t i = 0; i < std::min(seen.size(), sample.tokens.size()); ++i) {
      while (span + 1 < sample.weights.size() && sample.weights[span + 1].begin <= static_cast<int64_t>(i))
        ++span;
      if (seen[i].token != sample.tokens[i] || seen[i].version != sample.weights[span].version ||
          std::bit_cast<uint32_t>(seen[i].log_prob) != std::bit_cast<uint32_t>(sample.log_probs[i]))
        fail("request {}: token {} is not what on_token heard", tracked.id, i);
    }
  }
}

void World::Impl::check() {
  if (!executor.fault().empty()) return fail("{}", executor.fault());
  if (const std::string broken = engine->check(); !broken.empty()) return fail("{}", broken);
  const EngineStats stats = engine->stats();
  int64_t unfinished = 0, samples = 0;
  for (const auto& [id, tracked] : live) {
    unfinished += !tracked.done;
    samples += tracked.done ? 0 : tracked.request.sampling.n;
  }
  if (stats.waiting + stats.running < unfinished || stats.waiting + stats.running > samples)
    fail("{} samples wait and {} run; {} requests with {} samples are not done", stats.waiting, stats.running,
         unfinished, samples);
  if (stats.running > settings.engine.max_running) fail("{} run", stats.running);
  if (stats.prefill_rows + stats.decode_rows != executor.rows() - lost_rows)
    fail("{} and {} rows are counted, {} were computed", stats.prefill_rows, stats.decode_rows,
         executor.rows() - lost_rows);
  if (executor.prefill_rows_max() > settings.engine.prefill_rows)
    fail("{} rows of prompts in a step", executor.prefill_rows_max());
  if (executor.chunks_max() > settings.engine.max_running) fail("{} chunks in a step", executor.chunks_max());
  if (stats.copied_pages != executor.copies())
    fail("{} copies counted, {} made", stats.copied_pages, executor.copies());
  if (stats.steps != running_steps) fail("{} steps counted, {} done", stats.steps, running_steps);
}

void World::Impl::end() {
  const EngineStats stats = engine->stats();
  if (stats.running + stats.waiting != 0)
    fail("{} samples run and {} wait in an idle engine", stats.running, stats.waiting);
  if (stats.output_tokens != output_tokens)
    fail("{} tokens counted, {} drawn", stats.output_tokens, output_tokens);
  if (stats.preemptions != preemptions)
    fail("{} preemptions counted, {} in results", stats.preemptions, preemptions);
  if (stats.cached_tokens < cached_tokens)
    fail("{} cached tokens, {} in results", stats.cached_tokens, cached_tokens);
  if (stats.free_pages + stats.cached_pages != stats.pages)
    fail("{} pages are free and {} cached, of {}", stats.free_pages, stats.cached_pages, stats.pages);
  engine->flush_cache();
  if (engine->stats().free_pages != stats.pages)
    fail("{} of {} pages are free after a flush", engine->stats().free_pages, stats.pages);
  if (const std::string broken = engine->check(); !broken.empty()) fail("at the end: {}", broken);
}

// Where on_token throws, and where an allocation fails, the engine goes on.
bool World::Impl::step_engine(bool busy) {
  std::optional<FailingAllocation> failing;
  if (settings.step_failures_one_in > 0 && random.one_in(settings.step_failures_one_in)) {
    const int64_t after = random.below(40);
    failing.emplace(after, random.one_in(3));
  }
  const int64_t rows = executor.rows();
  bool stepped = busy;
  try {
    stepped = engine->step();
    running_steps += stepped;
  } catch (const Thrown&) {
    ++events.thrown;
    ++forced;
    lost_rows += executor.rows() - rows;
  } catch (const std::bad_alloc&) {
    ++forced;
    lost_rows += executor.rows() - rows;
  }
  if (failing && failing->failed()) {
    for (auto& [id, tracked] : live) tracked.ending.may_lack_memory |= !tracked.done;
  }
  return stepped;
}

bool World::Impl::step() {
  ++steps;
  happenings();
  const EngineStats before = engine->stats();
  const bool idle = before.running + before.waiting == 0;
  const bool stepped = step_engine(!idle);
  if (stepped == idle)
    fail("step() says {}, {} samples were there", stepped, before.running + before.waiting);
  look_at_requests();
  check();
  if (!wrong.empty()) return false;
  if (!stepped && live.empty() && arrivals_ended()) {
    end();
    return false;
  }
  return true;
}

World::World(uint64_t seed, int64_t requests_max) : impl_(std::make_unique<Impl>(seed, requests_max)) {}
World::~World() = default;
bool World::step() { return impl_->step(); }
const std::string& World::wrong() const { return impl_->wrong; }

WorldEvents World::events() const {
  const EngineStats stats = impl_->engine->stats();
  WorldEvents events = impl_->events;
  events.steps = impl_->steps;
  events.requests = static_cast<int64_t>(impl_->last_id);
  events.tokens = stats.output_tokens;
  events.preemptions = stats.preemptions;
  events.evicted_pages = stats.evicted_pages;
  events.copied_pages = stats.copied_pages;
  events.cached_tokens = stats.cached_tokens;
  events.weight_changes = impl_->executor.weights().version;
  return events;
}

void WorldEvents::add(const WorldEvents& other) {
  steps += other.steps;
  requests += other.requests;
  samples += other.samples;
  tokens += other.tokens;
  refused += other.refused;
  failed_allocations += other.failed_allocations;
  aborted += other.aborted;
  broken += other.broken;
  preemptions += other.preemptions;
  evicted_pages += other.evicted_pages;
  copied_pages += other.copied_pages;
  cached_tokens += other.cached_tokens;
  weight_changes += other.weight_changes;
  thrown += other.thrown;
  without_memory += other.without_memory;
  stop_strings += other.stop_strings;
}

std::string WorldEvents::text() const {
  return fmt::format(
      "{} steps, {} requests, {} samples ({} aborted, {} broken), {} tokens, {} refused, {} failed "
      "allocations, "
      "{} preemptions, {} evicted pages, {} copied pages, {} cached tokens, {} new weights, {} times on_token threw, "
      "{} samples without memory, {} stop strings",
      steps, requests, samples, aborted, broken, tokens, refused, failed_allocations, preemptions,
      evicted_pages, copied_pages, cached_tokens, weight_changes, thrown, without_memory, stop_strings);
}

}  // namespace invar
