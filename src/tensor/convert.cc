#include "tensor/convert.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace invar {
namespace {

// Bytes of a file are not always aligned to their dtype.
template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

void check_sizes(DType type, std::size_t in_bytes, std::size_t elements) {
  INVAR_CHECK(is_float_weight(type), "dtype {}", dtype_name(type));
  INVAR_CHECK(in_bytes == elements * static_cast<std::size_t>(dtype_bytes(type)),
              "{} bytes, {} elements of {}", in_bytes, elements, dtype_name(type));
}

}  // namespace

float float_from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  if (rest >= 0x0400u) return std::bit_cast<float>(sign | ((rest << 13) + (112u << 23)));
  const float value = static_cast<float>(rest) * 0x1p-24f;  // subnormal: an integer of 10 bits times 2^-24
  return sign != 0 ? -value : value;
}

void convert_to_f32(DType type, std::span<const std::byte> in, std::span<float> out) {
  check_sizes(type, in.size(), out.size());
  if (type == DType::kF32) {
    if (!out.empty()) std::memcpy(out.data(), in.data(), in.size());
  } else if (type == DType::kBF16) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(bf16{load<uint16_t>(in, i)});
  } else {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = float_from_f16(load<uint16_t>(in, i));
  }
}

void convert_to_bf16(DType type, std::span<const std::byte> in, std::span<bf16> out) {
  check_sizes(type, in.size(), out.size());
  if (type == DType::kBF16) {
    if (!out.empty()) std::memcpy(out.data(), in.data(), in.size());
  } else if (type == DType::kF32) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_bf16(load<float>(in, i));
  } else {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_bf16(float_from_f16(load<uint16_t>(in, i)));
  }
}

void round_to_bf16(std::span<const float> in, std::span<bf16> out) {
  INVAR_CHECK(in.size() == out.size(), "{} and {} elements", in.size(), out.size());
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = to_bf16(in[i]);
}

}  // namespace invar
