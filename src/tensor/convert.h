// Floating-point elements of files, converted to what kernels use: fp32, and bf16 by NUM-BF16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "numerics/bf16.h"
#include "numerics/fp16.h"
#include "tensor/dtype.h"

namespace invar {

// F32, F16 and BF16; any other dtype is a bug of the caller.
constexpr bool is_float_weight(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

// in [n] elements of `type`, out [n]. Exact.
void convert_to_f32(DType type, std::span<const std::byte> in, std::span<float> out);

// in [n] elements of `type`, out [n]. One rounding, NUM-BF16; bf16 input is copied, NaN payloads included.
void convert_to_bf16(DType type, std::span<const std::byte> in, std::span<bf16> out);

// in [n], out [n]. NUM-BF16.
void round_to_bf16(std::span<const float> in, std::span<bf16> out);

}  // namespace invar
