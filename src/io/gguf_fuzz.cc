// Any bytes as a GGUF file: no crash, and every tensor of an accepted file can be dequantised.
#include <span>
#include <vector>

#include "base/check.h"
#include "io/gguf.h"
#include "io/gguf_dequant.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  const Result<GgufFile> file = GgufFile::from_memory(bytes, "fuzz");
  if (!file.ok()) return 0;
  for (const auto& [key, value] : file->values()) {
    INVAR_CHECK(file->find(key) == &value, "{}", key);
    (void)file->find_uint(key);
    (void)file->find_float(key);
    (void)file->find_strings(key);
  }
  for (const GgufTensor& tensor : file->tensors()) {
    INVAR_CHECK(file->find_tensor(tensor.name) == &tensor, "{}", tensor.name);
    INVAR_CHECK(tensor.elements() <= static_cast<int64_t>(size) * 2, "{} elements", tensor.elements());
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    dequantize(tensor.type, tensor.data, values);
  }
  return 0;
}
