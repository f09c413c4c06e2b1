#include "run_model.h"

#include <numeric>

#include "kv/kv_memory.h"

namespace invar {

std::vector<float> logits_of_rows(const DecoderModel& model, Queue& queue, std::span<const int32_t> tokens,
                                  std::span<const int32_t> rows) {
  constexpr int64_t kPageSize = 64;
  const int64_t count = static_cast<int64_t>(tokens.size());
  const int64_t page_count = (count + kPageSize - 1) / kPageSize;
  const KvLayout layout = model.kv_layout(kPageSize);
  const int64_t layers = static_cast<int64_t>(model.blocks.size());
  auto memory =
      KvMemory::create({.layers = layers, .pages = page_count, .page_elements = layout.page_elements()});
  INVAR_CHECK(memory.ok(), "{}", memory.message());
  std::vector<KvView> views;
  for (int64_t layer = 0; layer < layers; ++layer) {
    views.push_back({.k_pages = reinterpret_cast<bf16*>(memory->keys(layer)),
                     .v_pages = reinterpret_cast<bf16*>(memory->values(layer)),
                     .layout = layout});
  }
  std::vector<int32_t> pages(static_cast<std::size_t>(page_count)), positions(tokens.size());
  std::iota(pages.begin(), pages.end(), 0);
  std::iota(positions.begin(), positions.end(), 0);
  const SequenceChunk chunk = {.row_begin = 0, .rows = count, .position_begin = 0, .pages = pages.data()};
  Activations activations(model.activation_shape(count));
  forward(queue, model, {.tokens = tokens, .positions = positions, .chunks = {&chunk, 1}}, views,
          activations);
  Buffer<bf16> gathered(static_cast<int64_t>(rows.size()) * model.config.hidden_size);
  std::vector<float> out(rows.size() * static_cast<std::size_t>(model.config.vocab_size));
  logits(queue, model, activations, rows, gathered.data(), out.data());
  return out;
}

}  // namespace invar
