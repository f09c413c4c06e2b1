#include "kernels/swiglu_backward.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void swiglu_backward(const SwigluBackwardArgs& args, RowRange rows);
}
namespace cpu {
void swiglu_backward_avx2(const SwigluBackwardArgs& args, RowRange rows);
void swiglu_backward_avx512(const SwigluBackwardArgs& args, RowRange rows);
}  // namespace cpu

void swiglu_backward(Queue& queue, const SwigluBackwardArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.ffn_dim > 0, "ffn_dim = {}", args.ffn_dim);
  if (args.rows == 0) return;
  INVAR_CHECK(args.d_out != nullptr && args.gate_up != nullptr && args.d_gate_up != nullptr,
              "d_out, gate_up and d_gate_up are needed");
  INVAR_CHECK(args.rows == 1 || (args.d_out_stride >= args.ffn_dim && args.in_stride >= 2 * args.ffn_dim &&
                                 args.out_stride >= 2 * args.ffn_dim),
              "d_out_stride = {}, in_stride = {}, out_stride = {}, ffn_dim = {}", args.d_out_stride,
              args.in_stride, args.out_stride, args.ffn_dim);
  INVAR_CHECK(args.d_gate_up != args.gate_up || args.in_stride == args.out_stride || args.rows == 1,
              "in place with in_stride = {}, out_stride = {}", args.in_stride, args.out_stride);
  constexpr Tiers<void(const SwigluBackwardArgs&, RowRange)> kTiers{
      ref::swiglu_backward, cpu::swiglu_backward_avx2, cpu::swiglu_backward_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, 4 * args.ffn_dim, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
