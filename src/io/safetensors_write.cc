#include <algorithm>

#include "io/atomic_file.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace invar {

Status write_safetensors(const ByteSink& write, const SafetensorsTensors& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<const SafetensorsTensors::value_type*> order;
  for (const auto& entry : tensors) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return dtype_bytes(a->second.dtype) > dtype_bytes(b->second.dtype);
  });

  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t position = 0;
  for (const auto* entry : order) {
    const SafetensorsTensor& tensor = entry->second;
    const int64_t bytes = tensor.elements() * dtype_bytes(tensor.dtype);
    INVAR_CHECK(bytes == static_cast<int64_t>(tensor.data.size()), "{}: {} bytes expected, {} given",
                entry->first, bytes, tensor.data.size());
    header[entry->first] = {{"dtype", std::string(dtype_name(tensor.dtype))},
                            {"shape", tensor.shape},
                            {"data_offsets", {position, position + bytes}}};
    position += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins aligned, as the reference writes it

  const uint64_t header_bytes = text.size();
  INVAR_RETURN_IF_ERROR(write(std::as_bytes(std::span<const uint64_t>(&header_bytes, 1))));
  INVAR_RETURN_IF_ERROR(write(std::as_bytes(std::span<const char>(text))));
  for (const auto* entry : order) INVAR_RETURN_IF_ERROR(write(entry->second.data));
  return Ok{};
}

Status write_safetensors(const std::string& path, const SafetensorsTensors& tensors,
                         const std::map<std::string, std::string>& metadata) {
  INVAR_TRY(AtomicFile file, AtomicFile::create(path));
  const ByteSink write = [&](std::span<const std::byte> bytes) { return file.write(bytes); };
  INVAR_RETURN_IF_ERROR(write_safetensors(write, tensors, metadata));
  return file.commit();
}

}  // namespace invar
