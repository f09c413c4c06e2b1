#include "nn/embedding.h"

namespace invar {

void forward(Queue& queue, const Embedding& embedding, std::span<const int32_t> tokens, bf16* out) {
  invar::embedding(queue, {.table = embedding.table.data(),
                           .tokens = tokens.data(),
                           .out = out,
                           .rows = static_cast<int64_t>(tokens.size()),
                           .vocab = embedding.vocab,
                           .dim = embedding.dim});
}

}  // namespace invar
