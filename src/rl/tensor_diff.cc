#include "rl/tensor_diff.h"

#include <bit>
#include <cstring>

namespace invar {
namespace {

// A number of a checkpoint: bf16 weights, fp32 for the rest.
std::string number_text(const SafetensorsTensor& tensor, int64_t index) {
  const bool is_bf16 = tensor.dtype == DType::kBF16;
  const std::size_t bytes = is_bf16 ? 2 : 4;
  uint32_t bits = 0;
  std::memcpy(&bits, tensor.data.data() + static_cast<std::size_t>(index) * bytes, bytes);
  const float value = is_bf16 ? to_float(bf16{static_cast<uint16_t>(bits)}) : std::bit_cast<float>(bits);
  return is_bf16 ? fmt::format("{} ({:04x})", value, bits) : fmt::format("{} ({:08x})", value, bits);
}

// Fills in the first number that differs and how many do.
void compare_numbers(const SafetensorsTensor& a, const SafetensorsTensor& b, TensorDifference& out) {
  const std::size_t bytes = a.dtype == DType::kBF16 ? 2 : 4;
  for (std::size_t at = 0; at < a.data.size(); at += bytes) {
    if (std::memcmp(a.data.data() + at, b.data.data() + at, bytes) == 0) continue;
    if (out.elements_differing++ > 0) continue;
    out.index = static_cast<int64_t>(at / bytes);
    out.a = number_text(a, out.index);
    out.b = number_text(b, out.index);
  }
}

void compare(const SafetensorsTensors& a, const SafetensorsTensors& b, TensorDifference& out) {
  const auto first = [&](const std::string& name, const SafetensorsTensor& tensor) {
    if (out.tensors_differing++ > 0) return false;
    out.name = name;
    out.shape = tensor.shape;
    return true;
  };
  for (const auto& [name, tensor] : a) {
    ++out.tensors;
    const auto other = b.find(name);
    const bool comparable = other != b.end() && other->second.dtype == tensor.dtype &&
                            other->second.data.size() == tensor.data.size();
    if (comparable && std::memcmp(tensor.data.data(), other->second.data.data(), tensor.data.size()) == 0)
      continue;
    if (first(name, tensor) && comparable) compare_numbers(tensor, other->second, out);
  }
  for (const auto& [name, tensor] : b) {
    if (a.contains(name)) continue;
    ++out.tensors;
    first(name, tensor);
  }
}

}  // namespace

std::optional<TensorDifference> diff_tensors(const Checkpoint& a, const Checkpoint& b) {
  TensorDifference difference;
  compare(a.weights(), b.weights(), difference);
  compare(a.optimizer(), b.optimizer(), difference);
  if (difference.tensors_differing == 0) return std::nullopt;
  return difference;
}

std::optional<TensorDifference> diff_tensors(const std::string& run_a, const std::string& run_b,
                                             int64_t step) {
  const Result<Checkpoint> a = Checkpoint::open(checkpoint_path(run_a, step));
  if (!a.ok()) return std::nullopt;
  const Result<Checkpoint> b = Checkpoint::open(checkpoint_path(run_b, step));
  if (!b.ok()) return std::nullopt;
  return diff_tensors(*a, *b);
}

}  // namespace invar
