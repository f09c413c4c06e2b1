// Scheduler: which samples run, which wait, who has which pages, and what the next step holds.
//
// It decides from the order of arrival, priorities, lengths and pages alone: no clock, no result. Decode rows go first,
// one each; prefill chunks share the rows that are left, in order. When pages run out, the cache's unused pages go
// first, then the last sample in the order is preempted: it gives its pages up and is computed again later. The first
// in the order is never preempted for another, and nobody overtakes a sample that waits for pages: none starves.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "engine/executor.h"
#include "engine/step.h"
#include "kv/page_pool.h"
#include "kv/prefix_tree.h"

namespace invar {

class Scheduler {
 public:
  struct Options {
    int64_t prefill_rows;
    int64_t max_running;
    bool prefix_cache;
    const Tokenizer* tokenizer;
  };
  Scheduler(Executor& executor, const Options& options);

  // All samples of a request wait from now on. The state must stay where it is until it has no unfinished sample.
  void enqueue(RequestState& state);
  // Takes the waiting samples of a request out of the queue and returns how many there were. Samples that run are
  // the caller's to mark done.
  int64_t remove_waiting(RequestState& state);

  // Admits, preempts and packs: the step that is to be computed. It may hold no rows when pages are short.
  const Step& plan();
  // plan()'s step has been computed: what it computed can be shared from now on.
  void computed();
  // Samples marked done give their pages to the cache and leave.
  void retire();

  void preempt_all();
  // Cached pages that no sample holds are forgotten.
  void flush_cache();
  // All that the old weights computed is forgotten, but the tokens drawn and the prompts scored to their end.
  void weights_changed();

  bool idle() const { return running_.empty() && waiting_.empty(); }
  const std::vector<std::unique_ptr<Sequence>>& running() const { return running_; }
  int64_t waiting() const;
  const PagePool& pool() const { return pool_; }
  int64_t cached_pages() const { return tree_.nodes(); }
  int64_t evicted_pages() const { return tree_.counters().evicted_pages; }
  int64_t copied_pages() const { return copied_pages_; }
  int64_t cached_tokens() const { return cached_tokens_; }
  int64_t preemptions() const { return preemptions_; }

  std::string check() const;

 private:
  // A sample that was preempted, or all samples of a request from `sample` on that never ran.
  struct Waiting {
    RequestState* state;
    int64_t sample;
    std::unique_ptr<Sequence> preempted;

    bool operator<(const Waiting& other) const;
  };
  using Queue = std::set<Waiting>;

  void admit();
  // Whether a running sample that is ahead in the order is about to compute a prefix of these tokens.
  bool worth_waiting(const Waiting& waiting, std::span<const int32_t> tokens) const;
  bool take_pages(Sequence& sequence);
  bool make_room(int64_t pages);
  std::unique_ptr<Sequence> start(const Waiting& waiting) const;
  // The sample that waits in `node` runs from now on; `next`: where the request's next sample waits, if there is one.
  // False when it has to wait for pages. Without memory for it the sample fails, and true.
  bool admit_one(Queue::node_type node, Queue::iterator& next);
  bool grow(std::size_t index);
  void preempt_last();
  void give_up_pages(Sequence& sequence);
  void share(Sequence& sequence);

  Executor& executor_;
  Executor::Limits limits_;
  Options options_;
  PagePool pool_;
  PrefixTree tree_;
  Queue waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in order
  std::vector<Queue::node_type> spare_;             // one for each that runs, so that preempting allocates nothing
  Step step_;
  bool blocked_ = false;  // the first waiting sample found too few pages, and none was given up since
  int64_t copied_pages_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t preemptions_ = 0;
};

}  // namespace invar
