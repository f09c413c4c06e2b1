// ModelExecutor: runs a DecoderModel on this machine's CPU, with the KV cache in its memory.
#pragma once

#include <memory>
#include <vector>

#include "engine/executor.h"
#include "kv/kv_memory.h"
#include "model/decoder.h"

namespace invar {

class ModelExecutor : public Executor {
 public:
  struct Options {
    int64_t rows_max = 576;  // of one forward: prefill rows and decode rows
    int64_t page_size = 64;  // tokens: 16, 32, 64 or 128
    int64_t kv_bytes = int64_t{4} << 30;
    // No more pages than `running` samples of the whole context can use.
    int64_t running = 64;
  };

  // The model and queue must outlive the executor. `fingerprint` names the weights (NUM-DIGEST). Errors: what
  // check_coverage refuses; a cache that holds not even one page, or more memory than there is.
  static Result<std::unique_ptr<ModelExecutor>> create(const DecoderModel& model, Queue& queue,
                                                       const Options& options, std::string fingerprint);

  // Of one page of the cache, all layers, keys and values.
  static int64_t page_bytes(const DecoderModel& model, int64_t page_size);

  const Limits& limits() const override { return limits_; }
  const Weights& weights() const override { return weights_; }
  void forward(const Batch& batch) override;
  std::span<float> logits(std::span<const int32_t> rows) override;
  void copy_page(int32_t from, int32_t to) override { memory_.copy_page(from, to); }

  // The model's weights have been changed in place, between steps: call Engine::weights_changed() next.
  void set_weights(std::string fingerprint) {
    ++weights_.version;
    weights_.fingerprint = std::move(fingerprint);
  }

 private:
  ModelExecutor(const DecoderModel& model, Queue& queue, const Limits& limits, KvMemory memory,
                std::string fingerprint);

  const DecoderModel& model_;
  Queue& queue_;
  Limits limits_;
  Weights weights_;
  KvMemory memory_;
  std::vector<KvView> views_;
  Activations activations_;
  Buffer<float> logits_;   // [logits_max, V]
  Buffer<bf16> gathered_;  // [logits_max, C]
};

}  // namespace invar
