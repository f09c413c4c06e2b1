#include "kernels/embedding.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void embedding(const EmbeddingArgs& args, RowRange rows);
}
namespace cpu {
void embedding_avx2(const EmbeddingArgs& args, RowRange rows);
void embedding_avx512(const EmbeddingArgs& args, RowRange rows);
}  // namespace cpu

void embedding(Queue& queue, const EmbeddingArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.dim > 0 && args.vocab > 0, "dim = {}, vocab = {}", args.dim, args.vocab);
  if (args.rows == 0) return;
  INVAR_CHECK(args.table != nullptr && args.tokens != nullptr && args.out != nullptr,
              "table, tokens, out are needed");
  for (int64_t r = 0; r < args.rows; ++r)
    INVAR_CHECK(args.tokens[r] >= 0 && args.tokens[r] < args.vocab, "tokens[{}] = {}, vocab = {}", r,
                args.tokens[r], args.vocab);
  constexpr Tiers<void(const EmbeddingArgs&, RowRange)> kTiers{ref::embedding, cpu::embedding_avx2,
                                                               cpu::embedding_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, args.dim, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
