#include "kernels/rms_norm_backward.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/cpu/rms_norm_backward.h"
#include "numerics/grid_sum.h"

namespace invar {

namespace ref {
void rms_norm_backward(const RmsNormBackwardArgs& args);  // one thread
}

namespace {

void check(const RmsNormBackwardArgs& args) {
  const int64_t width = args.groups * args.dim;
  INVAR_CHECK(args.d_out != nullptr && args.h != nullptr && args.weight != nullptr,
              "d_out, h and weight are needed");
  INVAR_CHECK((args.dx_bf16 != nullptr) != (args.dx_f32 != nullptr),
              "exactly one output: dx_bf16 {} dx_f32 {}", args.dx_bf16 != nullptr, args.dx_f32 != nullptr);
  INVAR_CHECK(!args.accumulate || (args.dx_f32 != nullptr && args.dx_f32 != args.d_out),
              "accumulate needs a dx_f32 that is not d_out");
  INVAR_CHECK(args.d_weight == nullptr || args.overflow != nullptr, "d_weight needs overflow");
  INVAR_CHECK(
      args.rows == 1 || (args.d_out_stride >= width && args.h_stride >= width && args.dx_stride >= width),
      "d_out_stride = {}, h_stride = {}, dx_stride = {}, groups * dim = {}", args.d_out_stride, args.h_stride,
      args.dx_stride, width);
  INVAR_CHECK(args.dx_f32 != args.d_out || args.d_out_stride == args.dx_stride || args.rows == 1,
              "in place with d_out_stride = {}, dx_stride = {}", args.d_out_stride, args.dx_stride);
}

}  // namespace

void rms_norm_backward(Queue& queue, const RmsNormBackwardArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.dim > 0 && args.groups > 0, "dim = {}, groups = {}", args.dim, args.groups);
  if (args.rows == 0) return;
  check(args);
  if (queue.tier() == Tier::kRef) return ref::rms_norm_backward(args);
  const auto kernel =
      queue.tier() == Tier::kAvx2 ? cpu::rms_norm_backward_avx2 : cpu::rms_norm_backward_avx512;
  const bool worth_threads = args.rows * args.groups * args.dim >= kElementsWorthThreads;
  const int64_t shares = worth_threads ? std::min<int64_t>(queue.pool().threads(), args.rows) : 1;
  const int64_t padded = (args.dim + 7) / 8 * 8 + 8;  // a line between the sums of two threads
  auto* memory = reinterpret_cast<int64_t*>(
      queue.scratch(static_cast<std::size_t>(shares * padded) * 2 * sizeof(int64_t)));
  const auto run_share = [&](int64_t share) {
    NormGainSum gain{};
    if (args.d_weight != nullptr) {
      gain.tile = memory + 2 * share * padded;
      gain.sum = gain.tile + padded;
      std::fill_n(gain.tile, 2 * padded, 0);
    }
    kernel(args, {args.rows * share / shares, args.rows * (share + 1) / shares}, gain);
    if (gain.tile != nullptr) gain.tile[padded - 1] = gain.overflow ? 1 : 0;
  };
  queue.pool().parallel_for(shares, [&](int64_t begin, int64_t end, int) {
    for (int64_t share = begin; share < end; ++share) run_share(share);
  });
  if (args.d_weight == nullptr) return;
  for (int64_t share = 0; share < shares; ++share) {
    const int64_t* tile = memory + 2 * share * padded;
    if (tile[padded - 1] != 0) *args.overflow = true;
    for (int64_t c = 0; c < args.dim; ++c) grid_merge(args.d_weight[c], tile[padded + c], *args.overflow);
  }
}

}  // namespace invar
