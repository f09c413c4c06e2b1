// A pool with a static partition: item i of n always goes to the same share, whoever runs it.
//
// Nothing may depend on which thread ran an item or how many threads there are: kernels divide rows or output
// columns between threads, never the terms of a sum.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace invar {

class ThreadPool {
 public:
  // threads >= 1, the caller counted in: ThreadPool(1) starts none.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end, share) once for each non-empty share of [0, items), share < threads(), and returns when
  // all are done. Shares are contiguous, in order, and as equal as `items` allows. Not reentrant; one caller at a time.
  // What a share throws (no memory) is thrown here once all have ended, the first share's of several.
  template <class Body>
  void parallel_for(int64_t items, const Body& body) {
    if (items <= 0) return;
    if (workers_.empty() || items == 1) return body(int64_t{0}, items, 0);
    run(
        items,
        [](const void* context, int64_t begin, int64_t end, int share) {
          (*static_cast<const Body*>(context))(begin, end, share);
        },
        &body);
  }

  // The first item of a share; share_begin(items, shares, shares) == items.
  static int64_t share_begin(int64_t items, int shares, int share) { return items * share / shares; }

 private:
  using Call = void (*)(const void* context, int64_t begin, int64_t end, int share);
  void run(int64_t items, Call call, const void* context);
  void work(int share);
  void run_share(int share);
  void stop();  // ends and joins the workers

  int spins_;  // before a waiter sleeps
  std::vector<std::exception_ptr> thrown_;  // by each share of this run
  std::vector<std::thread> workers_;
  Call call_ = nullptr;
  const void* context_ = nullptr;
  int64_t items_ = 0;
  std::atomic<uint64_t> generation_{0};  // grows by one for each run()
  std::atomic<int> unfinished_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace invar
