#include "kernels/adamw.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void adamw(const AdamwArgs& args, RowRange elements);
}
namespace cpu {
void adamw_avx2(const AdamwArgs& args, RowRange elements);
void adamw_avx512(const AdamwArgs& args, RowRange elements);
}  // namespace cpu

void adamw(Queue& queue, const AdamwArgs& args) {
  INVAR_CHECK(args.size >= 0, "size = {}", args.size);
  if (args.size == 0) return;
  INVAR_CHECK(args.gradient != nullptr && args.m != nullptr && args.v != nullptr && args.master != nullptr &&
                  args.weight != nullptr,
              "gradient, m, v, master and weight are needed");
  constexpr Tiers<void(const AdamwArgs&, RowRange)> kTiers{ref::adamw, cpu::adamw_avx2, cpu::adamw_avx512};
  const auto kernel = kTiers[queue.tier()];
  constexpr int64_t kBlock = 1024;  // whole vectors and cache lines for every thread
  parallel_rows(queue, (args.size + kBlock - 1) / kBlock, kBlock, [&](RowRange blocks) {
    kernel(args, {.begin = blocks.begin * kBlock, .end = std::min(blocks.end * kBlock, args.size)});
  });
}

}  // namespace invar
