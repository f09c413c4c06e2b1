#include "kernels/ref/linear.h"

#include <algorithm>
#include <vector>

#include "kernels/ref/chains.h"

namespace invar {
namespace {

// x and w are the padded row and weight row, [k_padded].
void output(Profile profile, const LinearArgs& args, int64_t row, int64_t n, const bf16* x, const bf16* w) {
  float y = ref::linear_chain(profile, 0.0f, x, w, args.weight->k_padded());
  if (args.bias != nullptr) y = y + args.bias[n];
  if (args.out_f32 != nullptr) args.out_f32[row * args.out_stride + n] = y;
  if (args.out_bf16 != nullptr) args.out_bf16[row * args.out_stride + n] = to_bf16(y);
}

}  // namespace

void linear_ref(Queue& queue, const LinearArgs& args) {
  const PackedWeight& weight = *args.weight;
  const int64_t k_padded = weight.k_padded();
  std::vector<bf16> x(static_cast<size_t>(args.rows * k_padded));  // [rows, k_padded]
  for (int64_t row = 0; row < args.rows; ++row)
    std::copy_n(args.x + row * args.x_stride, weight.k, &x[row * k_padded]);

  queue.pool().parallel_for(weight.n, [&](int64_t begin, int64_t end, int) {
    std::vector<bf16> w(static_cast<size_t>(k_padded));
    for (int64_t n = begin; n < end; ++n) {
      const bf16* panel = weight.panel(n / 16);
      for (int64_t k = 0; k < k_padded; ++k) w[k] = panel[k / 2 * 32 + n % 16 * 2 + k % 2];
      for (int64_t row = 0; row < args.rows; ++row)
        output(queue.profile(), args, row, n, &x[row * k_padded], w.data());
    }
  });
}

}  // namespace invar
