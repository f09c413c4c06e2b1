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

}  // namespace invar
