#include "kernels/rope.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void rope(const RopeArgs& args, RowRange rows);
}
namespace cpu {
void rope_avx2(const RopeArgs& args, RowRange rows);
void rope_avx512(const RopeArgs& args, RowRange rows);
}  // namespace cpu

void rope(Queue& queue, const RopeArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.heads > 0 && args.head_dim > 0 && args.head_dim % 2 == 0, "heads = {}, head_dim = {}",
              args.heads, args.head_dim);
  if (args.rows == 0) return;
  INVAR_CHECK(args.x != nullptr && args.positions != nullptr && args.cos_sin != nullptr,
              "x, positions and cos_sin are needed");
  INVAR_CHECK(args.x_stride >= args.heads * args.head_dim || args.rows == 1,
              "x_stride = {}, heads * head_dim = {}", args.x_stride, args.heads * args.head_dim);
  for (int64_t r = 0; r < args.rows; ++r)
    INVAR_CHECK(args.positions[r] >= 0, "positions[{}] = {}", r, args.positions[r]);
  constexpr Tiers<void(const RopeArgs&, RowRange)> kTiers{ref::rope, cpu::rope_avx2, cpu::rope_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, args.heads * args.head_dim, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
