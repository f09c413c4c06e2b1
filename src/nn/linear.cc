#include "nn/linear.h"

namespace invar {
namespace {

LinearArgs arguments(const Linear& linear, int64_t rows, Rows<const bf16> x, int64_t out_stride) {
  return {.x = x.data,
          .x_stride = x.stride,
          .weight = &linear.weight,
          .bias = linear.bias.size() > 0 ? linear.bias.data() : nullptr,
          .out_bf16 = nullptr,
          .out_f32 = nullptr,
          .out_stride = out_stride,
          .rows = rows};
}

}  // namespace

void forward(Queue& queue, const Linear& linear, int64_t rows, Rows<const bf16> x, Rows<bf16> out) {
  LinearArgs args = arguments(linear, rows, x, out.stride);
  args.out_bf16 = out.data;
  invar::linear(queue, args);
}

void forward(Queue& queue, const Linear& linear, int64_t rows, Rows<const bf16> x, Rows<float> out) {
  LinearArgs args = arguments(linear, rows, x, out.stride);
  args.out_f32 = out.data;
  invar::linear(queue, args);
}

namespace {

LinearArgs input_arguments(const PackedWeight& transposed, int64_t rows, Rows<const bf16> dy,
                           int64_t out_stride) {
  return {.x = dy.data,
          .x_stride = dy.stride,
          .weight = &transposed,
          .bias = nullptr,
          .out_bf16 = nullptr,
          .out_f32 = nullptr,
          .out_stride = out_stride,
          .rows = rows};
}

}  // namespace

void backward_input(Queue& queue, const PackedWeight& transposed, int64_t rows, Rows<const bf16> dy,
                    Rows<float> dx) {
  LinearArgs args = input_arguments(transposed, rows, dy, dx.stride);
  args.out_f32 = dx.data;
  invar::linear(queue, args);
}

void backward_input(Queue& queue, const PackedWeight& transposed, int64_t rows, Rows<const bf16> dy,
                    Rows<bf16> dx) {
  LinearArgs args = input_arguments(transposed, rows, dy, dx.stride);
  args.out_bf16 = dx.data;
  invar::linear(queue, args);
}

void backward_weight(Queue& queue, const Linear& linear, std::span<const SequenceRows> sequences,
                     Rows<const bf16> dy, Rows<const bf16> x, const LinearGrad& grad, bool& overflow) {
  linear_weight_grad(queue, {.dy = dy.data,
                             .dy_stride = dy.stride,
                             .x = x.data,
                             .x_stride = x.stride,
                             .sequences = sequences,
                             .n = linear.outputs(),
                             .k = linear.inputs(),
                             .grad = grad.weight,
                             .grad_bias = grad.bias,
                             .overflow = &overflow});
}

}  // namespace invar
