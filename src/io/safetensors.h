// safetensors, Hugging Face's tensor files: 8 bytes of header length, a JSON header, the tensors' bytes.
//
// Source: https://github.com/huggingface/safetensors (README, "Format"; the checks are those of its Rust crate).
// Views are zero-copy into the mapping. A file that breaks a rule is refused with one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/mapped_file.h"
#include "tensor/dtype.h"

namespace invar {

struct SafetensorsTensor {
  DType dtype;
  std::vector<int64_t> shape;  // row-major; empty for a scalar; dimensions may be 0
  std::span<const std::byte>
      data;  // of the size that dtype and shape ask for; not always aligned to the dtype

  int64_t elements() const;
};

using SafetensorsTensors = std::map<std::string, SafetensorsTensor, std::less<>>;  // in name order

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::string& path);
  // Parses bytes of the caller, which must outlive this object. `name` stands for the path in messages.
  static Result<SafetensorsFile> from_memory(std::span<const std::byte> bytes, std::string name);

  const std::string& path() const { return path_; }
  const SafetensorsTensors& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }  // "__metadata__"

 private:
  Status parse(std::span<const std::byte> bytes);

  MappedFile file_;  // empty for from_memory
  std::string path_;
  SafetensorsTensors tensors_;
  std::map<std::string, std::string> metadata_;
};

// One model in one or several files.
class SafetensorsModel {
 public:
  // `path`: a .safetensors file, a model.safetensors.index.json, or a folder that holds model.safetensors or the index.
  // Errors: those of the files; an index that names a missing file or tensor, or misses a tensor of a shard.
  static Result<SafetensorsModel> open(const std::string& path);

  const std::string& path() const { return path_; }
  const SafetensorsTensors& tensors() const { return tensors_; }
  const SafetensorsTensor* find(std::string_view name) const;

 private:
  Status open_sharded(const std::string& index_path);

  std::string path_;
  std::vector<SafetensorsFile> files_;
  SafetensorsTensors tensors_;  // views into files_
};

// Writes one file atomically. The bytes depend on the arguments alone: wide dtypes first, then by name, so that
// every tensor is aligned to its dtype. Errors: those of AtomicFile.
Status write_safetensors(const std::string& path, const SafetensorsTensors& tensors,
                         const std::map<std::string, std::string>& metadata = {});

// The same bytes, in order, to wherever `write` puts them; the tensors' are handed over as they lie, not copied.
// Errors: those of `write`, at once.
using ByteSink = std::function<Status(std::span<const std::byte>)>;
Status write_safetensors(const ByteSink& write, const SafetensorsTensors& tensors,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace invar
