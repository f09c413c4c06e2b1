#include "kernels/swiglu.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void swiglu(const SwigluArgs& args, RowRange rows);
}
namespace cpu {
void swiglu_avx2(const SwigluArgs& args, RowRange rows);
void swiglu_avx512(const SwigluArgs& args, RowRange rows);
}  // namespace cpu

void swiglu(Queue& queue, const SwigluArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.ffn_dim > 0, "ffn_dim = {}", args.ffn_dim);
  if (args.rows == 0) return;
  INVAR_CHECK(args.gate_up != nullptr && args.out != nullptr, "gate_up and out are needed");
  INVAR_CHECK(args.in_stride >= 2 * args.ffn_dim || args.rows == 1, "in_stride = {}, ffn_dim = {}",
              args.in_stride, args.ffn_dim);
  INVAR_CHECK(args.out_stride >= args.ffn_dim || args.rows == 1, "out_stride = {}, ffn_dim = {}",
              args.out_stride, args.ffn_dim);
  constexpr Tiers<void(const SwigluArgs&, RowRange)> kTiers{ref::swiglu, cpu::swiglu_avx2,
                                                            cpu::swiglu_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, 4 * args.ffn_dim, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
