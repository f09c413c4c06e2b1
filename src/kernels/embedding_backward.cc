#include "kernels/embedding_backward.h"

#include <atomic>

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

// Columns begin .. end - 1 of all rows; true where NUM-GRID reports one.
namespace ref {
bool embedding_backward(const EmbeddingBackwardArgs& args, RowRange columns);
}
namespace cpu {
bool embedding_backward_avx2(const EmbeddingBackwardArgs& args, RowRange columns);
bool embedding_backward_avx512(const EmbeddingBackwardArgs& args, RowRange columns);
}  // namespace cpu

void embedding_backward(Queue& queue, const EmbeddingBackwardArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.dim > 0 && args.vocab > 0, "dim = {}, vocab = {}", args.dim, args.vocab);
  if (args.rows == 0) return;
  INVAR_CHECK(args.d_out != nullptr && args.tokens != nullptr, "d_out and tokens are needed");
  INVAR_CHECK(args.d_table != nullptr && args.overflow != nullptr, "d_table and overflow are needed");
  INVAR_CHECK(args.d_out_stride >= args.dim || args.rows == 1, "d_out_stride = {}, dim = {}",
              args.d_out_stride, args.dim);
  for (int64_t r = 0; r < args.rows; ++r)
    INVAR_CHECK(args.tokens[r] >= 0 && args.tokens[r] < args.vocab, "tokens[{}] = {}, vocab = {}", r,
                args.tokens[r], args.vocab);
  constexpr Tiers<bool(const EmbeddingBackwardArgs&, RowRange)> kTiers{
      ref::embedding_backward, cpu::embedding_backward_avx2, cpu::embedding_backward_avx512};
  const auto kernel = kTiers[queue.tier()];
  if (args.rows * args.dim < kElementsWorthThreads) {
    if (kernel(args, {0, args.dim})) *args.overflow = true;
    return;
  }
  constexpr int64_t kBlock = 16;  // columns of a vector
  std::atomic<bool> overflow = false;
  queue.pool().parallel_for((args.dim + kBlock - 1) / kBlock, [&](int64_t begin, int64_t end, int) {
    const RowRange columns{begin * kBlock, end * kBlock < args.dim ? end * kBlock : args.dim};
    if (kernel(args, columns)) overflow.store(true, std::memory_order_relaxed);
  });
  if (overflow.load(std::memory_order_relaxed)) *args.overflow = true;
}

}  // namespace invar
