// Any bytes as a safetensors file: no crash, and every view of an accepted file lies inside it.
#include <span>

#include "base/check.h"
#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  const Result<SafetensorsFile> file = SafetensorsFile::from_memory(bytes, "fuzz");
  if (!file.ok()) return 0;
  std::size_t total = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    const auto expected = static_cast<std::size_t>(tensor.elements() * dtype_bytes(tensor.dtype));
    INVAR_CHECK(tensor.data.size() == expected, "{}: {} and {}", name, tensor.data.size(), expected);
    if (expected == 0) continue;
    INVAR_CHECK(tensor.data.data() >= bytes.data(), "{}", name);
    INVAR_CHECK(tensor.data.data() + expected <= bytes.data() + bytes.size(), "{}", name);
    total += expected;
  }
  INVAR_CHECK(total <= size, "{} bytes of tensors in {}", total, size);
  return 0;
}
