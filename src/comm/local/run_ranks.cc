#include "comm/local/run_ranks.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"

namespace invar {
namespace {

enum class Collective { kAdd, kMax, kBroadcast, kBarrier };

// What a rank brings to a collective.
struct Call {
  Collective collective;
  void* data;
  std::size_t size;
  int root;
};

// Where ranks meet. A collective is two meetings: calls are brought to the first and stay as they are up to the second.
class Group {
 public:
  explicit Group(int size) : calls_(static_cast<std::size_t>(size)) {}

  int size() const { return static_cast<int>(calls_.size()); }
  const Call& call(int rank) const { return calls_[static_cast<std::size_t>(rank)]; }

  // Returns once all ranks have come, or an error once one has left. call: may be null, which brings none.
  Status meet(int rank, const Call* call) {
    std::unique_lock lock(mutex_);
    if (!left_.empty()) return error("{}", left_);
    if (call != nullptr) calls_[static_cast<std::size_t>(rank)] = *call;
    if (++arrived_ == size()) {
      arrived_ = 0;
      ++meetings_;
      all_arrived_.notify_all();
      return Ok{};
    }
    const uint64_t meeting = meetings_;
    all_arrived_.wait(lock, [&] { return meetings_ != meeting || !left_.empty(); });
    // A rank may leave once all have arrived: this meeting has taken place all the same.
    if (meetings_ != meeting) return Ok{};
    return error("{}", left_);
  }

  // The rank will come to no other meeting. The first to leave is the one that others hear of.
  void leave(std::string why) {
    const std::lock_guard lock(mutex_);
    if (left_.empty()) left_ = std::move(why);
    all_arrived_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_arrived_;
  std::vector<Call> calls_;
  int arrived_ = 0;
  uint64_t meetings_ = 0;
  std::string left_;
};

class LocalRank final : public Communicator {
 public:
  LocalRank(Group& group, int rank) : group_(group), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_.size(); }
  // Whether a collective has told this rank of another one's failure.
  bool told() const { return told_; }

  Status add_modulo(std::span<uint64_t> values) override {
    return reduce(Collective::kAdd, values, [](uint64_t a, uint64_t b) { return a + b; });
  }
  Status all_reduce_max(std::span<uint64_t> values) override {
    return reduce(Collective::kMax, values, [](uint64_t a, uint64_t b) { return std::max(a, b); });
  }
  Status broadcast(std::span<std::byte> bytes, int root) override {
    INVAR_CHECK(root >= 0 && root < size(), "root {} of {} ranks", root, size());
    INVAR_RETURN_IF_ERROR(begin({Collective::kBroadcast, bytes.data(), bytes.size(), root}));
    if (rank_ != root)
      std::copy_n(static_cast<const std::byte*>(group_.call(root).data), bytes.size(), bytes.data());
    return end();
  }
  Status barrier() override {
    INVAR_RETURN_IF_ERROR(begin({Collective::kBarrier, nullptr, 0, 0}));
    return end();
  }

 private:
  Status meet(const Call* call) {
    Status status = group_.meet(rank_, call);
    told_ = told_ || !status.ok();
    return status;
  }
  Status begin(const Call& call) {
    INVAR_RETURN_IF_ERROR(meet(&call));
    const Call& first = group_.call(0);
    INVAR_CHECK(call.collective == first.collective && call.size == first.size && call.root == first.root,
                "rank {} calls collective {} with {} values, root {}; rank 0 {} with {}, root {}", rank_,
                static_cast<int>(call.collective), call.size, call.root, static_cast<int>(first.collective),
                first.size, first.root);
    return Ok{};
  }
  Status end() { return meet(nullptr); }

  // Every rank combines its share of the values in all ranks' memory: no two ranks touch one value.
  template <class Combine>
  Status reduce(Collective collective, std::span<uint64_t> values, const Combine& combine) {
    INVAR_RETURN_IF_ERROR(begin({collective, values.data(), values.size(), 0}));
    const auto ranks = static_cast<std::size_t>(size());
    const auto rank = static_cast<std::size_t>(rank_);
    const std::size_t last = values.size() * (rank + 1) / ranks;
    std::array<uint64_t, 1024> sums;
    for (std::size_t i = values.size() * rank / ranks; i < last;) {
      const std::size_t count = std::min(sums.size(), last - i);
      std::copy_n(values_of(0) + i, count, sums.data());
      for (int r = 1; r < size(); ++r) {
        const uint64_t* other = values_of(r) + i;
        for (std::size_t k = 0; k < count; ++k) sums[k] = combine(sums[k], other[k]);
      }
      for (int r = 0; r < size(); ++r) std::copy_n(sums.data(), count, values_of(r) + i);
      i += count;
    }
    return end();
  }
  uint64_t* values_of(int rank) const { return static_cast<uint64_t*>(group_.call(rank).data); }

  Group& group_;
  int rank_;
  bool told_ = false;
};

// How a rank ended.
struct Ending {
  Status status = Ok{};
  bool told = false;  // by a collective, of another rank's end: then the status is no failure of its own
  std::exception_ptr thrown;
};

Ending run_rank(Group& group, int rank, const std::function<Status(Communicator&)>& body) {
  LocalRank communicator(group, rank);
  Ending ending;
  std::string why = fmt::format("rank {} has ended", rank);
  try {
    ending.status = body(communicator);
    if (!ending.status.ok()) why = fmt::format("rank {}: {}", rank, ending.status.message());
  } catch (...) {
    why = fmt::format("rank {} has failed", rank);
    ending.thrown = std::current_exception();
  }
  ending.told = communicator.told();
  group.leave(std::move(why));
  return ending;
}

// A failure of a rank's own goes before what others were told of it.
Status first_failure(std::span<const Ending> endings) {
  for (const Ending& ending : endings) {
    if (ending.thrown) std::rethrow_exception(ending.thrown);
    if (!ending.status.ok() && !ending.told) return ending.status;
  }
  for (const Ending& ending : endings) {
    if (!ending.status.ok()) return ending.status;
  }
  return Ok{};
}

}  // namespace

Status run_ranks(int size, const std::function<Status(Communicator&)>& body) {
  INVAR_CHECK(size >= 1, "{} ranks", size);
  Group group(size);
  std::vector<Ending> endings(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  const auto run = [&](int rank) { endings[static_cast<std::size_t>(rank)] = run_rank(group, rank, body); };
  try {
    for (int rank = 1; rank < size; ++rank) threads.emplace_back(run, rank);
  } catch (...) {
    // The system has no more threads: those that began wait for the others, and must be joined.
    group.leave("a rank could not be started");
    for (std::thread& thread : threads) thread.join();
    throw;
  }
  run(0);
  for (std::thread& thread : threads) thread.join();
  return first_failure(endings);
}

}  // namespace invar
