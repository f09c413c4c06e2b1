#include "kernels/rope_backward.h"

#include "kernels/tiers.h"
#include "numerics/scalar.h"

namespace invar::ref {
namespace {

void store(const RopeBackwardArgs& args, int64_t at, float value) {
  if (args.dx_bf16 != nullptr) args.dx_bf16[at] = to_bf16(value);
  if (args.dx_f32 != nullptr) args.dx_f32[at] = value;
}

}  // namespace

void rope_backward(const RopeBackwardArgs& args, RowRange rows) {
  const int64_t half = args.head_dim / 2;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* cosines = args.cos_sin + args.positions[r] * args.head_dim;
    const float* sines = cosines + half;
    for (int64_t head = 0; head < args.heads; ++head) {
      const float* d_out = args.d_out + r * args.d_out_stride + head * args.head_dim;
      const int64_t at = r * args.dx_stride + head * args.head_dim;
      for (int64_t i = 0; i < half; ++i) {
        const float a = d_out[i], b = d_out[i + half];
        store(args, at + i, num::fma(a, cosines[i], b * sines[i]));
        store(args, at + i + half, num::fma(b, cosines[i], -(a * sines[i])));
      }
    }
  }
}

}  // namespace invar::ref
