#include "kernels/linear_weight_grad.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/ref/chains.h"
#include "numerics/grid_sum.h"

namespace invar::ref {
namespace {

// A leaf as two matrices of columns: dy [N, padded], x [K, padded], zero-padded.
struct Leaf {
  Leaf(const LinearWeightGradArgs& args, int64_t row_begin, int64_t rows)
      : padded((rows + 15) / 16 * 16),
        dy(static_cast<size_t>(args.n * padded)),
        x(static_cast<size_t>(args.k * padded)) {
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t n = 0; n < args.n; ++n) dy[n * padded + t] = args.dy[(row_begin + t) * args.dy_stride + n];
      for (int64_t k = 0; k < args.k; ++k) x[k * padded + t] = args.x[(row_begin + t) * args.x_stride + k];
    }
  }
  float dot(Profile profile, int64_t n, int64_t k) const {
    return linear_chain(profile, 0.0f, &dy[n * padded], &x[k * padded], padded);
  }

  int64_t padded;
  std::vector<bf16> dy, x;
};

std::vector<Leaf> leaves_of(const LinearWeightGradArgs& args) {
  std::vector<Leaf> leaves;
  for (const SequenceRows& sequence : args.sequences)
    for (int64_t t = 0; t < sequence.rows; t += kGradLeaf)
      leaves.emplace_back(args, sequence.row_begin + t, std::min(kGradLeaf, sequence.rows - t));
  return leaves;
}

// A sum of NUM-GRID over any number of values.
class GridSum {
 public:
  void add(float value, bool& overflow) {
    tile_ += to_grid(value, overflow);
    if (++values_ % kGridTile != 0) return;
    grid_merge(sum_, tile_, overflow);
    tile_ = 0;
  }
  void merge_into(int64_t& buffer, bool& overflow) {
    grid_merge(sum_, tile_, overflow);
    grid_merge(buffer, sum_, overflow);
  }

 private:
  int64_t sum_ = 0;
  int64_t tile_ = 0;
  int64_t values_ = 0;
};

}  // namespace

void linear_weight_grad(Queue& queue, const LinearWeightGradArgs& args) {
  const std::vector<Leaf> leaves = leaves_of(args);
  std::atomic<bool> any_overflow = false;
  queue.pool().parallel_for(args.n, [&](int64_t begin, int64_t end, int) {
    bool overflow = false;
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t k = 0; k < args.k; ++k) {
        GridSum sum;
        for (const Leaf& leaf : leaves) sum.add(leaf.dot(queue.profile(), n, k), overflow);
        sum.merge_into(args.grad[n * args.k + k], overflow);
      }
      if (args.grad_bias == nullptr) continue;
      GridSum sum;
      for (const SequenceRows& sequence : args.sequences)
        for (int64_t t = 0; t < sequence.rows; ++t)
          sum.add(to_float(args.dy[(sequence.row_begin + t) * args.dy_stride + n]), overflow);
      sum.merge_into(args.grad_bias[n], overflow);
    }
    if (overflow) any_overflow = true;
  });
  if (any_overflow) *args.overflow = true;
}

}  // namespace invar::ref
