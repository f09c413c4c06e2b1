#include "engine/scheduler.h"

#include <algorithm>
#include <new>
#include <tuple>

#include <fmt/format.h>

namespace invar {
namespace {

// Prefixes shorter than this are computed twice rather than waited for.
constexpr int64_t kPrefixWorthWaiting = 16;

bool before(const RequestState& a, int64_t a_sample, const RequestState& b, int64_t b_sample) {
  return std::tuple(a.order, a.id, a_sample) < std::tuple(b.order, b.id, b_sample);
}

}  // namespace

bool Scheduler::Waiting::operator<(const Waiting& other) const {
  return before(*state, sample, *other.state, other.sample);
}

Scheduler::Scheduler(Executor& executor, const Options& options)
    : executor_(executor),
      limits_(executor.limits()),
      options_(options),
      pool_(limits_.pages),
      tree_(pool_, limits_.page_size) {
  running_.reserve(static_cast<std::size_t>(options_.max_running));
  spare_.reserve(static_cast<std::size_t>(options_.max_running));
  step_.reserve(options_.prefill_rows + options_.max_running, options_.max_running);
}

void Scheduler::enqueue(RequestState& state) {
  waiting_.insert({.state = &state, .sample = 0, .preempted = nullptr});
  blocked_ = false;
}

int64_t Scheduler::remove_waiting(RequestState& state) {
  int64_t removed = 0;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->state != &state) {
      ++it;
      continue;
    }
    removed += it->preempted ? 1 : state.request.sampling.n - it->sample;
    if (it->preempted) it->preempted->finish(FinishReason::kAborted);
    it = waiting_.erase(it);
  }
  if (removed > 0) blocked_ = false;
  return removed;
}

int64_t Scheduler::waiting() const {
  int64_t samples = 0;
  for (const Waiting& entry : waiting_)
    samples += entry.preempted ? 1 : entry.state->request.sampling.n - entry.sample;
  return samples;
}

bool Scheduler::worth_waiting(const Waiting& waiting, std::span<const int32_t> tokens) const {
  const int64_t most = static_cast<int64_t>(tokens.size()) - 1;
  for (const auto& other : running_) {
    if (other->decodes()) continue;
    // Running samples are in order. Of those behind this one there may be a next one for ever.
    if (before(*waiting.state, waiting.sample, *other->state, other->sample)) break;
    const int64_t length = std::min(most, other->size() - 1);
    if (length < other->computed + kPrefixWorthWaiting) continue;
    const auto end = std::mismatch(tokens.begin(), tokens.begin() + length, other->tokens.begin()).first;
    if (end - tokens.begin() >= other->computed + kPrefixWorthWaiting) return true;
  }
  return false;
}

bool Scheduler::make_room(int64_t pages) {
  if (pool_.free_pages() < pages) tree_.evict(pages - pool_.free_pages());
  return pool_.free_pages() >= pages;
}

// What the cache has, and pages of its own for the rest of the tokens that are known. False, and nothing taken, when
// there are too few.
bool Scheduler::take_pages(Sequence& sequence) {
  // The last token is always computed: its logits are needed. Prompt log-probs need those of all that is not scored.
  int64_t most = sequence.size() - 1;
  if (sequence.scores_prompt() && !sequence.state->prompt_is_scored())
    most = std::min(most, static_cast<int64_t>(sequence.state->prompt_scored));
  PrefixTree::Match match{.cursor = tree_.start()};
  if (options_.prefix_cache) match = tree_.match(sequence.tokens, most, sequence.pages.list());
  const int64_t missing = sequence.pages.missing(sequence.size());
  // Those that run may each want a page soon; taking it from this one at once would help nobody.
  const int64_t spare = static_cast<int64_t>(running_.size());
  const auto enough = [&] {
    return pool_.free_pages() >= missing + spare ||
           pool_.free_pages() + tree_.evictable_pages() >= missing + spare;
  };
  bool fits = enough();
  if (!fits && match.partial_page >= 0) {
    // The page to copy from takes the place of one of the copies': where nobody runs, who would ever give it up?
    pool_.release(match.partial_page);
    match.partial_page = -1;
    match.tokens -= match.partial_tokens;
    fits = enough();
  }
  if (!fits || !make_room(missing) || !sequence.pages.ensure(pool_, sequence.size())) {
    if (match.partial_page >= 0) pool_.release(match.partial_page);
    sequence.pages.release(pool_);
    return false;
  }
  if (match.partial_page >= 0) {
    const int64_t full_pages = match.tokens / limits_.page_size;
    executor_.copy_page(match.partial_page, sequence.pages.pages()[static_cast<std::size_t>(full_pages)]);
    pool_.release(match.partial_page);
    ++copied_pages_;
  }
  sequence.cursor = match.cursor;
  sequence.computed = match.tokens;
  cached_tokens_ += match.tokens;
  return true;
}

std::unique_ptr<Sequence> Scheduler::start(const Waiting& waiting) const {
  auto sequence =
      std::make_unique<Sequence>(*waiting.state, waiting.sample, limits_.page_size, limits_.vocab);
  if (options_.tokenizer != nullptr)
    sequence->text.emplace(*options_.tokenizer, waiting.state->request.sampling.stop);
  return sequence;
}

void Scheduler::admit() {
  if (blocked_ && !running_.empty()) return;
  blocked_ = false;
  auto it = waiting_.begin();
  while (it != waiting_.end() && static_cast<int64_t>(running_.size()) < options_.max_running) {
    const std::vector<int32_t>& tokens = it->preempted ? it->preempted->tokens : it->state->request.prompt;
    const bool scores = it->sample == 0 && it->state->request.prompt_log_probs;
    if (options_.prefix_cache && !scores && worth_waiting(*it, tokens)) {
      ++it;
      continue;
    }
    const auto here = it++;
    if (!admit_one(waiting_.extract(here), it)) return;
  }
}

bool Scheduler::admit_one(Queue::node_type node, Queue::iterator& next) {
  Waiting& waiting = node.value();
  RequestState& state = *waiting.state;
  const int64_t sample = waiting.sample;
  const bool first = waiting.preempted == nullptr;
  const bool last = !first || sample + 1 == state.request.sampling.n;
  std::unique_ptr<Sequence> sequence = std::move(waiting.preempted);
  Queue::node_type spare;
  bool has_memory = true;
  try {
    if (first) sequence = start(waiting);
    sequence->draw_with(executor_.weights());
    if (!last) {
      Queue fresh;
      fresh.insert({.state = &state, .sample = sample, .preempted = nullptr});
      spare = fresh.extract(fresh.begin());
    }
  } catch (const std::bad_alloc&) {
    has_memory = false;
  }
  if (has_memory && !take_pages(*sequence)) {
    if (first) {
      sequence->result().weights.clear();
    } else {
      waiting.preempted = std::move(sequence);
    }
    waiting_.insert(std::move(node));
    blocked_ = true;
    return false;
  }
  if (last) {
    spare = std::move(node);
  } else {
    // The request's next sample waits in its place, right behind.
    ++waiting.sample;
    next = waiting_.insert(std::move(node)).position;
  }
  if (!has_memory) {
    if (sequence) sequence->finish(FinishReason::kError);
    fail_for_memory(state.result.samples[static_cast<std::size_t>(sample)]);
    --state.unfinished;
    return true;
  }
  if (first) state.result.cached_tokens += sequence->computed;
  const auto place = std::upper_bound(
      running_.begin(), running_.end(), sequence,
      [](const auto& a, const auto& b) { return before(*a->state, a->sample, *b->state, b->sample); });
  running_.insert(place, std::move(sequence));
  spare_.push_back(std::move(spare));
  return true;
}

void Scheduler::give_up_pages(Sequence& sequence) {
  sequence.pages.release(pool_);
  sequence.computed = 0;
  blocked_ = false;
}

void Scheduler::preempt_last() {
  std::unique_ptr<Sequence> sequence = std::move(running_.back());
  running_.pop_back();
  give_up_pages(*sequence);
  ++preemptions_;
  ++sequence->state->result.preemptions;
  RequestState* state = sequence->state;
  const int64_t sample = sequence->sample;
  Queue::node_type node = std::move(spare_.back());
  spare_.pop_back();
  node.value() = {.state = state, .sample = sample, .preempted = std::move(sequence)};
  waiting_.insert(std::move(node));
}

void Scheduler::preempt_all() {
  while (!running_.empty()) preempt_last();
}

// The page of the next position of a decode row. Preempts from the end; false when that was running_[index] itself.
bool Scheduler::grow(std::size_t index) {
  Sequence& sequence = *running_[index];
  const int64_t tokens = sequence.computed + 1;
  while (sequence.pages.missing(tokens) > 0) {
    if (make_room(1) && sequence.pages.ensure(pool_, tokens)) break;
    const bool itself = index + 1 == running_.size();
    preempt_last();
    if (itself) return false;
  }
  return true;
}

const Step& Scheduler::plan() {
  step_.clear();
  const int64_t preemptions = preemptions_;
  for (const auto& sequence : running_) sequence->planned = false;
  for (std::size_t i = 0; i < running_.size(); ++i) {
    if (!running_[i]->decodes()) continue;
    if (!grow(i)) break;
    step_.add(*running_[i], 1);
    running_[i]->planned = true;
    ++step_.decode_rows;
  }
  // Who has just lost its pages would take them back.
  if (preemptions_ == preemptions) admit();
  for (const auto& sequence : running_) {
    const int64_t room = options_.prefill_rows - (step_.rows() - step_.decode_rows);
    if (room <= 0) break;
    if (!sequence->planned) step_.add(*sequence, std::min(sequence->size() - sequence->computed, room));
  }
  return step_;
}

void Scheduler::share(Sequence& sequence) {
  if (!options_.prefix_cache) return;
  tree_.insert({sequence.tokens.data(), static_cast<std::size_t>(sequence.computed)}, sequence.pages.pages(),
               sequence.cursor);
}

void Scheduler::computed() {
  for (std::size_t i = 0; i < step_.owners.size(); ++i) {
    Sequence& sequence = *step_.owners[i];
    sequence.computed += step_.chunks[i].rows;
    // Other prompts may want a prefill chunk at once; of what was drawn, whole pages.
    if (step_.chunks[i].rows > 1 || sequence.computed % limits_.page_size == 0) share(sequence);
  }
}

void Scheduler::retire() {
  for (const auto& sequence : running_) {
    if (!sequence->done) continue;
    share(*sequence);
    give_up_pages(*sequence);
  }
  std::erase_if(running_, [](const auto& sequence) { return sequence->done; });
  while (spare_.size() > running_.size()) spare_.pop_back();
}

void Scheduler::flush_cache() {
  tree_.clear();
  // What still runs goes on with the pages it has, but shares none: its cursor is from before the flush.
}

void Scheduler::weights_changed() {
  preempt_all();
  flush_cache();
  for (const Waiting& waiting : waiting_) {
    if (waiting.preempted && waiting.preempted->scores_prompt()) waiting.state->forget_half_a_score();
  }
}

std::string Scheduler::check() const {
  tree_.check();
  // Every reference of every page is a running sample's or the tree's.
  std::vector<int32_t> held(static_cast<std::size_t>(pool_.pages()), 0);
  for (const auto& sequence : running_) {
    for (int32_t page : sequence->pages.pages()) ++held[static_cast<std::size_t>(page)];
    if (sequence->pages.missing(sequence->computed) != 0)
      return fmt::format("request {} has computed {} tokens in {} pages", sequence->state->id,
                         sequence->computed, sequence->pages.pages().size());
  }
  int64_t beyond = 0;
  for (int32_t page = 0; page < pool_.pages(); ++page) {
    const int32_t extra = pool_.references(page) - held[static_cast<std::size_t>(page)];
    if (extra < 0 || extra > 1)
      return fmt::format("page {} has {} references, {} of them of running samples", page,
                         pool_.references(page), held[static_cast<std::size_t>(page)]);
    beyond += extra;
  }
  if (beyond != tree_.nodes())
    return fmt::format("{} pages are held by no running sample; the prefix tree has {}", beyond,
                       tree_.nodes());
  for (const Waiting& entry : waiting_) {
    if (entry.preempted && !entry.preempted->pages.pages().empty())
      return fmt::format("request {} waits and holds pages", entry.state->id);
  }
  return {};
}

}  // namespace invar
