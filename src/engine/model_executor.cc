#include "engine/model_executor.h"

#include <algorithm>

#include "model/coverage.h"

namespace invar {
namespace {

// Bounds the memory of logits, V floats a row, and fills the widest tile of linear().
constexpr int64_t kLogitRows = 64;

KvMemory::Shape memory_shape(const DecoderModel& model, int64_t page_size, int64_t pages) {
  return {.layers = static_cast<int64_t>(model.blocks.size()),
          .pages = pages,
          .page_elements = model.kv_layout(page_size).page_elements()};
}

}  // namespace

int64_t ModelExecutor::page_bytes(const DecoderModel& model, int64_t page_size) {
  return memory_shape(model, page_size, 1).page_bytes();
}

Result<std::unique_ptr<ModelExecutor>> ModelExecutor::create(const DecoderModel& model, Queue& queue,
                                                             const Options& options,
                                                             std::string fingerprint) {
  INVAR_RETURN_IF_ERROR(
      check_coverage(model.config, queue.profile(), queue.tier(), options.page_size, queue.pool().threads()));
  const int64_t bytes = page_bytes(model, options.page_size);
  const int64_t pages_of_context = (model.config.max_position + options.page_size - 1) / options.page_size;
  const int64_t pages = std::min(options.kv_bytes / bytes, options.running * pages_of_context);
  if (pages < 1)
    return error(
        "one page of the KV cache takes {} KiB, and the limit is {} KiB; raise it or take smaller pages",
        bytes >> 10, options.kv_bytes >> 10);
  INVAR_TRY(KvMemory memory, KvMemory::create(memory_shape(model, options.page_size, pages)));
  const Limits limits{.vocab = model.config.vocab_size,
                      .context = model.config.max_position,
                      .page_size = options.page_size,
                      .pages = pages,
                      .rows_max = options.rows_max,
                      .logits_max = kLogitRows};
  return std::unique_ptr<ModelExecutor>(
      new ModelExecutor(model, queue, limits, std::move(memory), std::move(fingerprint)));
}

ModelExecutor::ModelExecutor(const DecoderModel& model, Queue& queue, const Limits& limits, KvMemory memory,
                             std::string fingerprint)
    : model_(model),
      queue_(queue),
      limits_(limits),
      weights_{.version = 0, .fingerprint = std::move(fingerprint)},
      memory_(std::move(memory)),
      activations_(model.activation_shape(limits.rows_max)),
      logits_(kLogitRows * limits.vocab),
      gathered_(kLogitRows * model.config.hidden_size) {
  const KvLayout layout = model.kv_layout(limits.page_size);
  for (int64_t layer = 0; layer < memory_.shape().layers; ++layer) {
    views_.push_back({.k_pages = reinterpret_cast<bf16*>(memory_.keys(layer)),
                      .v_pages = reinterpret_cast<bf16*>(memory_.values(layer)),
                      .layout = layout});
  }
}

void ModelExecutor::forward(const Batch& batch) {
  invar::forward(queue_, model_, batch, views_, activations_);
}

std::span<float> ModelExecutor::logits(std::span<const int32_t> rows) {
  INVAR_CHECK(static_cast<int64_t>(rows.size()) <= kLogitRows, "{} rows, room for {}", rows.size(),
              kLogitRows);
  invar::logits(queue_, model_, activations_, rows, gathered_.data(), logits_.data());
  return {logits_.data(), rows.size() * static_cast<std::size_t>(limits_.vocab)};
}

}  // namespace invar
