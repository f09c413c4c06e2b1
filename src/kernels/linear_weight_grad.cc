#include "kernels/linear_weight_grad.h"

#include "base/check.h"
#include "kernels/cpu/linear_driver.h"
#include "kernels/cpu/linear_weight_grad_driver.h"

namespace invar {

namespace ref {
void linear_weight_grad(Queue& queue, const LinearWeightGradArgs& args);
}

namespace {

void check(const LinearWeightGradArgs& args) {
  INVAR_CHECK(args.n > 0 && args.k > 0, "grad is [{}, {}]", args.n, args.k);
  INVAR_CHECK(args.grad != nullptr && args.overflow != nullptr, "grad and overflow are needed");
  INVAR_CHECK(args.dy_stride >= args.n, "dy_stride = {}, N = {}", args.dy_stride, args.n);
  INVAR_CHECK(args.x_stride >= args.k, "x_stride = {}, K = {}", args.x_stride, args.k);
  for (const SequenceRows& sequence : args.sequences) {
    INVAR_CHECK(sequence.row_begin >= 0 && sequence.rows >= 0, "sequence of rows {} + {}", sequence.row_begin,
                sequence.rows);
    INVAR_CHECK(sequence.rows == 0 || (args.dy != nullptr && args.x != nullptr), "{} rows without dy or x",
                sequence.rows);
  }
}

}  // namespace

void linear_weight_grad(Queue& queue, const LinearWeightGradArgs& args) {
  check(args);
  if (queue.tier() == Tier::kRef) return ref::linear_weight_grad(queue, args);
  const GridKernels grid = queue.tier() == Tier::kAvx2 ? grid_kernels_avx2() : grid_kernels_avx512();
  linear_weight_grad_tiled(queue, args, linear_kernels(queue), grid);
}

}  // namespace invar
