#include "kernels/rope_backward.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void rope_backward(const RopeBackwardArgs& args, RowRange rows);
}
namespace cpu {
void rope_backward_avx2(const RopeBackwardArgs& args, RowRange rows);
void rope_backward_avx512(const RopeBackwardArgs& args, RowRange rows);
}  // namespace cpu

void rope_backward(Queue& queue, const RopeBackwardArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.heads > 0 && args.head_dim > 0 && args.head_dim % 2 == 0, "heads = {}, head_dim = {}",
              args.heads, args.head_dim);
  if (args.rows == 0) return;
  INVAR_CHECK(args.d_out != nullptr && args.positions != nullptr && args.cos_sin != nullptr,
              "d_out, positions and cos_sin are needed");
  INVAR_CHECK((args.dx_bf16 != nullptr) != (args.dx_f32 != nullptr),
              "exactly one output: dx_bf16 {} dx_f32 {}", args.dx_bf16 != nullptr, args.dx_f32 != nullptr);
  const int64_t width = args.heads * args.head_dim;
  INVAR_CHECK(args.rows == 1 || (args.d_out_stride >= width && args.dx_stride >= width),
              "d_out_stride = {}, dx_stride = {}, heads * head_dim = {}", args.d_out_stride, args.dx_stride,
              width);
  INVAR_CHECK(args.dx_f32 != args.d_out || args.d_out_stride == args.dx_stride || args.rows == 1,
              "in place with d_out_stride = {}, dx_stride = {}", args.d_out_stride, args.dx_stride);
  for (int64_t r = 0; r < args.rows; ++r)
    INVAR_CHECK(args.positions[r] >= 0, "positions[{}] = {}", r, args.positions[r]);
  constexpr Tiers<void(const RopeBackwardArgs&, RowRange)> kTiers{ref::rope_backward, cpu::rope_backward_avx2,
                                                                  cpu::rope_backward_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, width, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
