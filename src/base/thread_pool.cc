#include "base/thread_pool.h"

#include <immintrin.h>

#include "base/check.h"

namespace invar {
namespace {

// A decode step is a few hundred short kernels; a sleep and a wake-up between them would cost more than the work.
// So a waiter spins for about 50 us before it sleeps in the kernel. With more threads than cores it would spin on the
// core that the awaited thread needs, and sleeps at once.
constexpr int kSpins = 1000;

template <class Ready>
bool spin(int spins, const Ready& ready) {
  for (int i = 0; i < spins; ++i) {
    if (ready()) return true;
    _mm_pause();
  }
  return ready();
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  INVAR_CHECK(threads >= 1, "threads = {}", threads);
  thrown_.resize(static_cast<std::size_t>(threads));
  spins_ = threads <= static_cast<int>(std::thread::hardware_concurrency()) ? kSpins : 0;
  try {
    for (int share = 1; share < threads; ++share) workers_.emplace_back([this, share] { work(share); });
  } catch (...) {
    // The system has no more threads: those that began must be joined before the caller hears of it.
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stop_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t items, Call call, const void* context) {
  call_ = call;
  context_ = context;
  items_ = items;
  unfinished_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);
  generation_.notify_all();
  run_share(0);
  const auto done = [this] { return unfinished_.load(std::memory_order_acquire) == 0; };
  while (!spin(spins_, done)) {
    const int left = unfinished_.load(std::memory_order_acquire);
    if (left != 0) unfinished_.wait(left);
  }
  for (std::exception_ptr& thrown : thrown_) {
    if (!thrown) continue;
    const std::exception_ptr first = thrown;
    thrown_.assign(thrown_.size(), nullptr);
    std::rethrow_exception(first);
  }
}

void ThreadPool::run_share(int share) {
  const int64_t begin = share_begin(items_, threads(), share);
  const int64_t end = share_begin(items_, threads(), share + 1);
  if (begin >= end) return;
  try {
    call_(context_, begin, end, share);
  } catch (...) {
    thrown_[static_cast<std::size_t>(share)] = std::current_exception();
  }
}

void ThreadPool::work(int share) {
  uint64_t seen = 0;
  while (true) {
    const auto changed = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    while (!spin(spins_, changed)) generation_.wait(seen);
    if (stop_.load()) return;
    // run() waits for every worker, so a worker never falls more than one generation behind.
    seen = generation_.load(std::memory_order_acquire);
    run_share(share);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

}  // namespace invar
