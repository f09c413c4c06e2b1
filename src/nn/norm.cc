#include "nn/norm.h"

namespace invar {
namespace {

RmsNormArgs arguments(const RmsNorm& norm, int64_t rows, Rows<const bf16> x, Rows<bf16> out) {
  return {.x = x.data,
          .residual = nullptr,
          .weight = norm.weight.data(),
          .out = out.data,
          .x_stride = x.stride,
          .out_stride = out.stride,
          .rows = rows,
          .groups = 1,
          .dim = norm.weight.size(),
          .eps = norm.eps};
}

}  // namespace

void forward(Queue& queue, const RmsNorm& norm, int64_t rows, Rows<const bf16> x, Rows<bf16> out) {
  rms_norm(queue, arguments(norm, rows, x, out));
}

void forward_residual(Queue& queue, const RmsNorm& norm, int64_t rows, Rows<const bf16> x, bf16* residual,
                      Rows<bf16> out) {
  RmsNormArgs args = arguments(norm, rows, x, out);
  args.residual = residual;
  rms_norm(queue, args);
}

void forward_heads(Queue& queue, const RmsNorm& norm, int64_t rows, int64_t groups, Rows<bf16> x) {
  RmsNormArgs args = arguments(norm, rows, x, x);
  args.groups = groups;
  rms_norm(queue, args);
}

}  // namespace invar
