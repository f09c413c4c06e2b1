// SimExecutor: an Executor without a model. Its pages hold tokens, positions and weight versions, and its logits are a
// hash of everything that attention would read: a page shared wrongly, a missing copy, a stale or lost token changes
// what is drawn, and most such faults are named at once.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "engine/executor.h"

namespace invar {

// The model of the simulation: logits are a function of the weights and of all tokens up to a position.
struct SimModel {
  int64_t vocab = 32;
  uint64_t broken_one_in = 0;  // so many rows have a logit that is no number; 0: none has

  static uint64_t begin(int64_t version) { return mix(static_cast<uint64_t>(version) + 0x51ed270b); }
  static uint64_t extend(uint64_t hash, int32_t token) {
    return (hash ^ static_cast<uint32_t>(token)) * 0x9e3779b97f4a7c15u + (hash >> 29);
  }
  // logits: [V], of the position whose tokens up to it have this hash.
  void logits(uint64_t hash, std::span<float> logits) const;

  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
};

class SimExecutor : public Executor {
 public:
  SimExecutor(const Limits& limits, const SimModel& model);

  const Limits& limits() const override { return limits_; }
  const Weights& weights() const override { return weights_; }
  void forward(const Batch& batch) override;
  std::span<float> logits(std::span<const int32_t> rows) override;
  void copy_page(int32_t from, int32_t to) override;

  void change_weights();
  static std::string fingerprint(int64_t version) { return "weights " + std::to_string(version); }

  // The first thing that went wrong; "" as long as nothing did.
  const std::string& fault() const { return fault_; }
  int64_t forwards() const { return forwards_; }
  int64_t rows() const { return rows_; }
  int64_t prefill_rows_max() const { return prefill_rows_max_; }  // of one forward, in chunks of several rows
  int64_t chunks_max() const { return chunks_max_; }
  int64_t copies() const { return copies_; }

 private:
  struct Slot {
    int32_t token = -1;
    int32_t position = -1;
    int64_t version = -1;
  };

  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    if (fault_.empty()) fault_ = "executor: " + fmt::format(format, std::forward<Args>(args)...);
  }
  bool valid_chunk(const Batch& batch, std::size_t c, int64_t row);
  void write(const Batch& batch, std::size_t c);
  void read(const Batch& batch, std::size_t c);
  int32_t page_of(const SequenceChunk& chunk, int64_t position) {
    const int32_t page = chunk.pages[position / limits_.page_size];
    if (page >= 0 && page < limits_.pages) return page;
    fail("position {} lies in page {} of {}", position, page, limits_.pages);
    return 0;
  }

  Limits limits_;
  SimModel model_;
  Weights weights_;
  std::vector<Slot> slots_;          // [pages, page_size]
  std::vector<int64_t> written_;     // [pages]: the last forward that wrote to the page
  std::vector<std::size_t> writer_;  // [pages]: and the chunk
  std::vector<uint64_t> hashes_;     // [rows_max], of the rows of the last forward
  std::vector<float> logits_;        // [logits_max, V]
  int64_t forwards_ = 0, rows_ = 0, copies_ = 0;
  int64_t rows_of_forward_ = 0, prefill_rows_max_ = 0, chunks_max_ = 0;
  std::string fault_;
};

}  // namespace invar
