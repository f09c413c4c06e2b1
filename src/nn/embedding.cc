#include "nn/embedding.h"

#include "kernels/embedding_backward.h"

namespace invar {

void forward(Queue& queue, const Embedding& embedding, std::span<const int32_t> tokens, bf16* out) {
  invar::embedding(queue, {.table = embedding.table.data(),
                           .tokens = tokens.data(),
                           .out = out,
                           .rows = static_cast<int64_t>(tokens.size()),
                           .vocab = embedding.vocab,
                           .dim = embedding.dim});
}

void backward(Queue& queue, const Embedding& embedding, std::span<const int32_t> tokens,
              Rows<const float> d_out, int64_t* d_table, bool& overflow) {
  embedding_backward(queue, {.d_out = d_out.data,
                             .d_out_stride = d_out.stride,
                             .tokens = tokens.data(),
                             .d_table = d_table,
                             .overflow = &overflow,
                             .rows = static_cast<int64_t>(tokens.size()),
                             .vocab = embedding.vocab,
                             .dim = embedding.dim});
}

}  // namespace invar
