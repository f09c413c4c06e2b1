#include "kernels/rms_norm.h"

#include "base/check.h"
#include "kernels/tiers.h"

namespace invar {

namespace ref {
void rms_norm(const RmsNormArgs& args, RowRange rows);
}
namespace cpu {
void rms_norm_avx2(const RmsNormArgs& args, RowRange rows);
void rms_norm_avx512(const RmsNormArgs& args, RowRange rows);
}  // namespace cpu

void rms_norm(Queue& queue, const RmsNormArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.dim > 0 && args.groups > 0, "dim = {}, groups = {}", args.dim, args.groups);
  if (args.rows == 0) return;
  INVAR_CHECK(args.x != nullptr && args.weight != nullptr && args.out != nullptr,
              "x, weight and out are needed");
  INVAR_CHECK(args.x_stride >= args.groups * args.dim || args.rows == 1, "x_stride = {}, groups * dim = {}",
              args.x_stride, args.groups * args.dim);
  INVAR_CHECK(args.out_stride >= args.groups * args.dim || args.rows == 1,
              "out_stride = {}, groups * dim = {}", args.out_stride, args.groups * args.dim);
  constexpr Tiers<void(const RmsNormArgs&, RowRange)> kTiers{ref::rms_norm, cpu::rms_norm_avx2,
                                                             cpu::rms_norm_avx512};
  const auto kernel = kTiers[queue.tier()];
  parallel_rows(queue, args.rows, args.groups * args.dim, [&](RowRange rows) { kernel(args, rows); });
}

}  // namespace invar
