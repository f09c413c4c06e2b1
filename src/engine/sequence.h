// What the engine knows of a request, and of each of its samples that runs.
#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/executor.h"
#include "engine/text_stream.h"
#include "kv/block_table.h"
#include "kv/prefix_tree.h"

namespace invar {

struct RequestState {
  RequestState(RequestId number, Request asked) : id(number), request(std::move(asked)) {
    result.id = id;
    result.samples.resize(static_cast<std::size_t>(request.sampling.n));
    result.prompt_tokens = static_cast<int64_t>(request.prompt.size());
    unfinished = request.sampling.n;
    if (request.prompt_log_probs) {
      result.prompt_log_probs.reserve(request.prompt.size());
      result.prompt_top.reserve(request.prompt.size() * static_cast<std::size_t>(request.top_log_probs));
    }
    // A priority is a head start: the order is fixed when the request arrives, and what came long enough before goes
    // first whatever comes later.
    order = static_cast<int64_t>(id) - request.priority * Engine::kArrivalsOfPriority;
  }

  bool prompt_is_scored() const { return prompt_scored + 1 >= request.prompt.size(); }
  // The next weights score a prompt from its beginning, where the last ones did not come to its end.
  void forget_half_a_score() {
    if (prompt_is_scored()) return;
    result.prompt_log_probs.clear();
    result.prompt_top.clear();
    prompt_scored = 0;
  }

  RequestId id;
  Request request;
  RequestResult result;
  int64_t unfinished;  // samples
  int64_t order;       // smaller runs first, then the smaller id
  bool aborted = false;
  std::size_t prompt_scored = 0;  // prompt tokens whose log-prob is in the result
};

// Allocates nothing itself.
inline void fail_for_memory(SampleResult& sample) {
  sample.finish = FinishReason::kError;
  sample.message = "out of memory";
}

// A sample that runs or was preempted.
struct Sequence {
  Sequence(RequestState& owner, int64_t number, int64_t page_size, int64_t vocab)
      : state(&owner), sample(number), pages(page_size, tokens_max(owner)) {
    const Request& request = owner.request;
    tokens.reserve(static_cast<std::size_t>(tokens_max(owner)));
    tokens = request.prompt;
    SampleResult& own = result();
    own.tokens.reserve(static_cast<std::size_t>(request.sampling.max_tokens));
    own.log_probs.reserve(own.tokens.capacity());
    own.top.reserve(own.tokens.capacity() * static_cast<std::size_t>(request.top_log_probs));
    if (!request.sampling.penalties().none()) {
      count_of.assign(static_cast<std::size_t>(vocab), -1);
      counts.reserve(tokens.capacity());
      for (int32_t token : tokens) count(token, true);
    }
  }

  static int64_t tokens_max(const RequestState& state) {
    return static_cast<int64_t>(state.request.prompt.size()) + state.request.sampling.max_tokens;
  }

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t prompt_size() const { return static_cast<int64_t>(state->request.prompt.size()); }
  SampleResult& result() const { return state->result.samples[static_cast<std::size_t>(sample)]; }
  bool scores_prompt() const { return sample == 0 && state->request.prompt_log_probs; }
  // Whether one row more draws a token: a decode row.
  bool decodes() const { return computed == size() - 1; }

  // No token follows. Text that was held back for a stop string is final now.
  void finish(FinishReason reason) {
    SampleResult& own = result();
    own.finish = reason;
    while (!own.weights.empty() && own.weights.back().begin >= static_cast<int64_t>(own.tokens.size()))
      own.weights.pop_back();
    if (text) {
      try {
        text->finish();
      } catch (const std::bad_alloc&) {
        fail_for_memory(own);
      }
      own.text = text->take_text();
    }
    done = true;
  }

  // The tokens from here on are drawn with these weights.
  void draw_with(const Executor::Weights& weights) {
    std::vector<WeightSpan>& spans = result().weights;
    if (!spans.empty() && spans.back().version == weights.version) return;
    const int64_t begin = static_cast<int64_t>(result().tokens.size());
    WeightSpan span{.begin = begin, .version = weights.version, .fingerprint = weights.fingerprint};
    if (!spans.empty() && spans.back().begin == begin) spans.pop_back();  // drew nothing
    spans.push_back(std::move(span));
  }

  void count(int32_t token, bool in_prompt) {
    int32_t& place = count_of[static_cast<std::size_t>(token)];
    if (place < 0) {
      place = static_cast<int32_t>(counts.size());
      counts.push_back({.token = token, .prompt = 0, .output = 0});
    }
    TokenCount& entry = counts[static_cast<std::size_t>(place)];
    ++(in_prompt ? entry.prompt : entry.output);
  }

  RequestState* state;
  int64_t sample;
  std::vector<int32_t> tokens;  // the prompt, then what was drawn
  int64_t computed = 0;         // keys and values of positions [0, computed) are in the pages
  BlockTable pages;
  PrefixTree::Cursor cursor;       // how far the prefix tree knows it
  std::vector<TokenCount> counts;  // for penalties; empty where the request has none
  std::vector<int32_t> count_of;   // token -> its place in counts, or -1
  std::optional<TextStream> text;
  bool planned = false;  // in this step, as a decode row
  bool done = false;
};

}  // namespace invar
