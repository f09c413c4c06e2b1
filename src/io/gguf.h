// GGUF, the file format of llama.cpp: a table of typed keys and values, then tensors. Versions 2 and 3, little endian.
//
// Source: ggml/docs/gguf.md and gguf-py. Every length and offset is checked against the file before it is used;
// a file that breaks a rule is refused with one line that names the byte, key or tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "io/mapped_file.h"

namespace invar {

// The numbers are the format's own.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
std::string_view gguf_type_name(GgufType type);  // "uint32", "string", ...

// Element types of tensors that we read; a file with another one is refused at opening.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct GgmlBlock {
  std::string_view name;  // "Q4_K"
  int64_t elements;       // of a block; 1 for plain types
  int64_t bytes;          // of a block
};
GgmlBlock ggml_block(GgmlType type);

struct GgufTensor {
  std::string name;
  GgmlType type;
  std::vector<int64_t> shape;  // outermost first, as in PyTorch: [rows, columns] (the file has it reversed)
  std::span<const std::byte> data;  // inside the mapping; of the size that type and shape ask for

  int64_t elements() const;
};

struct GgufValue {
  GgufType type;     // kArray for an array
  GgufType element;  // of an array; otherwise equal to type
  // Unsigned and signed integers, both float widths and all integer and bool arrays are widened;
  // arrays of float64 are narrowed to fp32.
  std::variant<uint64_t, int64_t, double, bool, std::string, std::vector<std::string>, std::vector<int64_t>,
               std::vector<float>>
      value;
};

class GgufFile {
 public:
  // Maps the file; it stays mapped as long as this object lives.
  static Result<GgufFile> open(const std::string& path);
  // Parses bytes of the caller, which must outlive this object. `name` stands for the path in messages.
  static Result<GgufFile> from_memory(std::span<const std::byte> bytes, std::string name);

  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }

  // Each returns nothing if the key is absent or its value has another type; find() tells the two apart.
  const GgufValue* find(std::string_view key) const;
  const std::string* find_string(std::string_view key) const;
  std::optional<uint64_t> find_uint(std::string_view key) const;  // any integer type, value >= 0
  std::optional<double> find_float(std::string_view key) const;   // float32 or float64
  std::optional<bool> find_bool(std::string_view key) const;
  const std::vector<std::string>* find_strings(std::string_view key) const;
  const std::vector<int64_t>* find_ints(std::string_view key) const;  // arrays of integers or bools
  const std::vector<float>* find_floats(std::string_view key) const;

  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }  // in key order
  const std::vector<GgufTensor>& tensors() const { return tensors_; }                      // in file order
  const GgufTensor* find_tensor(std::string_view name) const;

 private:
  template <class T>
  const T* find_as(std::string_view key) const;
  Status parse(std::span<const std::byte> bytes);

  MappedFile file_;  // empty for from_memory
  std::string path_;
  uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> tensor_index_;
};

}  // namespace invar
