#include "kernels/rope.h"

#include "kernels/tiers.h"
#include "numerics/scalar.h"

namespace invar::ref {

void rope(const RopeArgs& args, RowRange rows) {
  const int64_t half = args.head_dim / 2;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* cosines = args.cos_sin + args.positions[r] * args.head_dim;
    const float* sines = cosines + half;
    for (int64_t head = 0; head < args.heads; ++head) {
      bf16* x = args.x + r * args.x_stride + head * args.head_dim;
      for (int64_t i = 0; i < half; ++i) {
        const float a = to_float(x[i]), b = to_float(x[i + half]);
        x[i] = to_bf16(num::fma(a, cosines[i], -(b * sines[i])));
        x[i + half] = to_bf16(num::fma(b, cosines[i], a * sines[i]));
      }
    }
  }
}

}  // namespace invar::ref
