#include "tensor/convert.h"

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

void convert_to_f32(DType type, std::span<const std::byte> in, std::span<float> out) {
  check_sizes(type, in.size(), out.size());
  if (type == DType::kF32) {
    if (!out.empty()) std::memcpy(out.data(), in.data(), in.size());
  } else if (type == DType::kBF16) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(bf16{load<uint16_t>(in, i)});
  } else {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(fp16{load<uint16_t>(in, i)});
  }
}

void convert_to_bf16(DType type, std::span<const std::byte> in, std::span<bf16> out) {
  check_sizes(type, in.size(), out.size());
  if (type == DType::kBF16) {
    if (!out.empty()) std::memcpy(out.data(), in.data(), in.size());
  } else if (type == DType::kF32) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_bf16(load<float>(in, i));
  } else {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_bf16(to_float(fp16{load<uint16_t>(in, i)}));
  }
}

void round_to_bf16(std::span<const float> in, std::span<bf16> out) {
  INVAR_CHECK(in.size() == out.size(), "{} and {} elements", in.size(), out.size());
  // Sixteen at a time become vectors.
  std::size_t i = 0;
  for (; i + 16 <= in.size(); i += 16)
    for (std::size_t j = 0; j < 16; ++j) out[i + j] = to_bf16(in[i + j]);
  for (; i < in.size(); ++i) out[i] = to_bf16(in[i]);
}

}  // namespace invar
