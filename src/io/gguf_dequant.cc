#include "io/gguf_dequant.h"

#include <cstring>

#include "base/check.h"
#include "tensor/convert.h"

namespace invar {
namespace {

float half(const uint8_t* at) {
  fp16 value;
  std::memcpy(&value, at, 2);
  return to_float(value);
}

// Small blocks: the low nibbles of 16 bytes are elements 0..15, the high nibbles are 16..31.

// d: fp16; 16 bytes of nibbles
void block_q4_0(const uint8_t* block, float* out) {
  const float d = half(block);
  const uint8_t* q = block + 2;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((q[i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((q[i] >> 4) - 8);
  }
}

// d, m: fp16; 16 bytes of nibbles
void block_q4_1(const uint8_t* block, float* out) {
  const float d = half(block), m = half(block + 2);
  const uint8_t* q = block + 4;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(q[i] & 15) + m;
    out[i + 16] = d * static_cast<float>(q[i] >> 4) + m;
  }
}

// The fifth bit of element i is bit i of a 32-bit word.
struct FiveBits {
  uint32_t high;
  const uint8_t* low;
  explicit FiveBits(const uint8_t* at) : low(at + 4) { std::memcpy(&high, at, 4); }
  int first(int i) const { return (low[i] & 15) | static_cast<int>((high >> i) & 1) << 4; }
  int second(int i) const { return (low[i] >> 4) | static_cast<int>((high >> (i + 16)) & 1) << 4; }
};

// d: fp16; 4 bytes of fifth bits; 16 bytes of nibbles
void block_q5_0(const uint8_t* block, float* out) {
  const float d = half(block);
  const FiveBits q(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(q.first(i) - 16);
    out[i + 16] = d * static_cast<float>(q.second(i) - 16);
  }
}

// d, m: fp16; 4 bytes of fifth bits; 16 bytes of nibbles
void block_q5_1(const uint8_t* block, float* out) {
  const float d = half(block), m = half(block + 2);
  const FiveBits q(block + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(q.first(i)) + m;
    out[i + 16] = d * static_cast<float>(q.second(i)) + m;
  }
}

// d: fp16; 32 signed bytes
void block_q8_0(const uint8_t* block, float* out) {
  const float d = half(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
}

// The 6-bit scale and min of sub-block i of 8: packed in 12 bytes, the first four of each whole in bytes 0..7, the
// others' low nibbles in bytes 8..11 and their upper two bits above the first four.
struct ScaleMin {
  float scale, min;
};
ScaleMin scale_min(const uint8_t* packed, int i) {
  if (i < 4) return {static_cast<float>(packed[i] & 63), static_cast<float>(packed[i + 4] & 63)};
  const uint8_t low = packed[i + 4];
  return {static_cast<float>((low & 15) | ((packed[i - 4] >> 2) & 0x30)),
          static_cast<float>((low >> 4) | ((packed[i] >> 2) & 0x30))};
}

// Large blocks of 256: 8 sub-blocks of 32. Sub-block 2g has the low nibbles of bytes 32g..32g+31, 2g+1 the high ones.

// d, m: fp16; 12 bytes of scales and mins; 128 bytes of nibbles
void block_q4_k(const uint8_t* block, float* out) {
  const float d = half(block), m = half(block + 2);
  for (int sub = 0; sub < 8; ++sub, out += 32) {
    const uint8_t* q = block + 16 + sub / 2 * 32;
    const ScaleMin s = scale_min(block + 4, sub);
    const float scale = d * s.scale, min = m * s.min;
    const int shift = sub % 2 * 4;
    for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>((q[i] >> shift) & 15) - min;
  }
}

// As Q4_K, with 32 bytes of fifth bits before the nibbles: bit `sub` of byte i belongs to element i of the sub-block.
void block_q5_k(const uint8_t* block, float* out) {
  const float d = half(block), m = half(block + 2);
  const uint8_t* high = block + 16;
  for (int sub = 0; sub < 8; ++sub, out += 32) {
    const uint8_t* q = block + 48 + sub / 2 * 32;
    const ScaleMin s = scale_min(block + 4, sub);
    const float scale = d * s.scale, min = m * s.min;
    const int shift = sub % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int value = ((q[i] >> shift) & 15) | ((high[i] >> sub) & 1) << 4;
      out[i] = scale * static_cast<float>(value) - min;
    }
  }
}

// 128 bytes of nibbles; 64 bytes of upper bit pairs; 16 signed scales, one for 16 elements; d: fp16.
// Rows of 32: row r takes the nibbles (low for r % 4 < 2) of 32 bytes and bit pair r % 4 of 32 bytes.
void block_q6_k(const uint8_t* block, float* out) {
  const float d = half(block + 208);
  for (int row = 0; row < 8; ++row, out += 32) {
    const uint8_t* low = block + row / 4 * 64 + row % 2 * 32;
    const uint8_t* high = block + 128 + row / 4 * 32;
    const int low_shift = row % 4 / 2 * 4, high_shift = row % 4 * 2;
    for (int i = 0; i < 32; ++i) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(block[192 + row * 2 + i / 16]));
      const int value = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
      out[i] = scale * static_cast<float>(value - 32);
    }
  }
}

using BlockFunction = void (*)(const uint8_t* block, float* out);

BlockFunction block_function(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0: return block_q4_0;
    case GgmlType::kQ4_1: return block_q4_1;
    case GgmlType::kQ5_0: return block_q5_0;
    case GgmlType::kQ5_1: return block_q5_1;
    case GgmlType::kQ8_0: return block_q8_0;
    case GgmlType::kQ4_K: return block_q4_k;
    case GgmlType::kQ5_K: return block_q5_k;
    case GgmlType::kQ6_K: return block_q6_k;
    case GgmlType::kF32:
    case GgmlType::kF16:
    case GgmlType::kBF16: break;
  }
  INVAR_CHECK(false, "ggml type {}", static_cast<uint32_t>(type));
  return nullptr;
}

}  // namespace

void dequantize(GgmlType type, std::span<const std::byte> blocks, std::span<float> out) {
  if (type == GgmlType::kF32) return convert_to_f32(DType::kF32, blocks, out);
  if (type == GgmlType::kF16) return convert_to_f32(DType::kF16, blocks, out);
  if (type == GgmlType::kBF16) return convert_to_f32(DType::kBF16, blocks, out);
  const GgmlBlock shape = ggml_block(type);
  const auto elements = static_cast<std::size_t>(shape.elements),
             bytes = static_cast<std::size_t>(shape.bytes);
  INVAR_CHECK(out.size() % elements == 0 && out.size() / elements == blocks.size() / bytes &&
                  blocks.size() % bytes == 0,
              "{}: {} bytes, {} elements", shape.name, blocks.size(), out.size());
  const BlockFunction function = block_function(type);
  const auto* block = reinterpret_cast<const uint8_t*>(blocks.data());
  for (std::size_t i = 0; i < out.size() / elements; ++i)
    function(block + i * bytes, out.data() + i * elements);
}

}  // namespace invar
