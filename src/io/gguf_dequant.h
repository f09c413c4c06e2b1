// Block-quantised GGUF weights back to fp32, bit for bit as gguf-py's gguf.quants.dequantize gives them.
#pragma once

#include <cstddef>
#include <span>

#include "io/gguf.h"

namespace invar {

// blocks: whole blocks of `type`; out: their elements in order. Other sizes are bugs of the caller.
//
// With d, m the block's fp16 values widened exactly, q the integers, each product, sum and difference rounded once
// to fp32, never fused:
//   Q8_0, Q4_0, Q5_0  d * q                     (q - 8 and q - 16 are integer differences)
//   Q4_1, Q5_1        (d * q) + m
//   Q4_K, Q5_K        ((d * scale) * q) - (m * min)
//   Q6_K              (d * scale) * (q - 32)
//   F32, F16, BF16    exact
void dequantize(GgmlType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace invar
