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

namespace {

RmsNormBackwardArgs backward_arguments(const RmsNorm& norm, int64_t rows, Rows<const bf16> h,
                                       Rows<const float> d_out, int64_t* d_weight, bool& overflow) {
  return {.d_out = d_out.data,
          .h = h.data,
          .weight = norm.weight.data(),
          .dx_f32 = nullptr,
          .dx_bf16 = nullptr,
          .accumulate = false,
          .d_weight = d_weight,
          .overflow = &overflow,
          .d_out_stride = d_out.stride,
          .h_stride = h.stride,
          .dx_stride = 0,
          .rows = rows,
          .groups = 1,
          .dim = norm.weight.size(),
          .eps = norm.eps};
}

}  // namespace

void backward_residual(Queue& queue, const RmsNorm& norm, int64_t rows, Rows<const bf16> h,
                       Rows<const float> d_out, Rows<float> d_residual, int64_t* d_weight, bool& overflow) {
  RmsNormBackwardArgs args = backward_arguments(norm, rows, h, d_out, d_weight, overflow);
  args.dx_f32 = d_residual.data;
  args.dx_stride = d_residual.stride;
  args.accumulate = true;
  rms_norm_backward(queue, args);
}

void backward_heads(Queue& queue, const RmsNorm& norm, int64_t rows, int64_t groups, Rows<const bf16> h,
                    Rows<const float> d_out, Rows<bf16> dx, int64_t* d_weight, bool& overflow) {
  RmsNormBackwardArgs args = backward_arguments(norm, rows, h, d_out, d_weight, overflow);
  args.dx_bf16 = dx.data;
  args.dx_stride = dx.stride;
  args.groups = groups;
  rms_norm_backward(queue, args);
}

}  // namespace invar
