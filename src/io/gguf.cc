#include "io/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "io/quote.h"

namespace invar {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read in place");

// Far above every real file; they keep a corrupt count from asking for memory before the file's end shows.
constexpr uint64_t kKeysMax = 1 << 20;
constexpr uint64_t kTensorsMax = 1 << 20;
constexpr uint64_t kNameBytesMax = 65535;  // the format's own limit for keys
constexpr uint64_t kAlignmentMax = 65536;

// Reads little-endian values at a position that never passes the end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  template <class T>
  Result<T> read(const char* what) {
    if (left() < sizeof(T)) return ends(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Result<std::string> read_string(const char* what, uint64_t bytes_max) {
    INVAR_TRY(const uint64_t size, read<uint64_t>(what));
    if (size > bytes_max && size <= left()) {
      return error("{}: byte {}: expected a {} of at most {} bytes, found {}", path_, position_, what,
                   bytes_max, size);
    }
    if (left() < size) return ends(what, size);
    std::string text(reinterpret_cast<const char*>(bytes_.data() + position_), size);
    position_ += size;
    return text;
  }

 private:
  Error ends(const char* what, uint64_t needed) const {
    return error("{}: byte {}: expected a {} of {} bytes, found the end of the file ({} bytes left)", path_,
                 position_, what, needed, left());
  }

  std::span<const std::byte> bytes_;
  const std::string& path_;
  uint64_t position_ = 0;
};

Result<GgufType> read_type(Cursor& cursor, const std::string& path) {
  const uint64_t at = cursor.position();
  INVAR_TRY(const uint32_t type, cursor.read<uint32_t>("value type"));
  if (type > static_cast<uint32_t>(GgufType::kF64)) {
    return error("{}: byte {}: expected a value type of 0 to 12, found {}", path, at, type);
  }
  return static_cast<GgufType>(type);
}

template <class T>
Result<GgufValue> read_scalar(Cursor& cursor, GgufType type) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, double,
                                  std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;
  INVAR_TRY(const T value, cursor.read<T>("value"));
  return GgufValue{type, type, static_cast<Wide>(value)};
}

Result<bool> read_bool(Cursor& cursor, const std::string& path) {
  const uint64_t at = cursor.position();
  INVAR_TRY(const uint8_t value, cursor.read<uint8_t>("bool"));
  if (value > 1) return error("{}: byte {}: expected a bool of 0 or 1, found {}", path, at, value);
  return value == 1;
}

// T: the element in the file; Out: the element we keep.
template <class T, class Out>
Result<GgufValue> read_array_of(Cursor& cursor, GgufType element, uint64_t count, const std::string& path) {
  if (count > cursor.left() / sizeof(T)) {
    return error("{}: byte {}: expected an array of {} {} values, found the end of the file ({} bytes left)",
                 path, cursor.position(), count, gguf_type_name(element), cursor.left());
  }
  std::vector<Out> values(count);
  for (Out& out : values) {
    const uint64_t at = cursor.position();
    INVAR_TRY(const T value, cursor.read<T>("array value"));
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return error("{}: byte {}: expected an array value below 2^63, found {}", path, at, value);
      }
    }
    out = static_cast<Out>(value);
  }
  return GgufValue{GgufType::kArray, element, std::move(values)};
}

Result<GgufValue> read_string_array(Cursor& cursor, uint64_t count, const std::string& path) {
  if (count > cursor.left() / sizeof(uint64_t)) {  // each has a length of 8 bytes
    return error("{}: byte {}: expected an array of {} strings, found the end of the file ({} bytes left)",
                 path, cursor.position(), count, cursor.left());
  }
  std::vector<std::string> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    INVAR_TRY(std::string text, cursor.read_string("string", std::numeric_limits<uint64_t>::max()));
    values.push_back(std::move(text));
  }
  return GgufValue{GgufType::kArray, GgufType::kString, std::move(values)};
}

Result<GgufValue> read_bool_array(Cursor& cursor, uint64_t count, const std::string& path) {
  if (count > cursor.left()) {
    return error("{}: byte {}: expected an array of {} bools, found the end of the file ({} bytes left)",
                 path, cursor.position(), count, cursor.left());
  }
  std::vector<int64_t> values(count);
  for (int64_t& out : values) {
    INVAR_TRY(const bool value, read_bool(cursor, path));
    out = value ? 1 : 0;
  }
  return GgufValue{GgufType::kArray, GgufType::kBool, std::move(values)};
}

Result<GgufValue> read_array(Cursor& cursor, const std::string& path) {
  const uint64_t at = cursor.position();
  INVAR_TRY(const GgufType element, read_type(cursor, path));
  INVAR_TRY(const uint64_t count, cursor.read<uint64_t>("array length"));
  switch (element) {
    case GgufType::kU8: return read_array_of<uint8_t, int64_t>(cursor, element, count, path);
    case GgufType::kI8: return read_array_of<int8_t, int64_t>(cursor, element, count, path);
    case GgufType::kU16: return read_array_of<uint16_t, int64_t>(cursor, element, count, path);
    case GgufType::kI16: return read_array_of<int16_t, int64_t>(cursor, element, count, path);
    case GgufType::kU32: return read_array_of<uint32_t, int64_t>(cursor, element, count, path);
    case GgufType::kI32: return read_array_of<int32_t, int64_t>(cursor, element, count, path);
    case GgufType::kU64: return read_array_of<uint64_t, int64_t>(cursor, element, count, path);
    case GgufType::kI64: return read_array_of<int64_t, int64_t>(cursor, element, count, path);
    case GgufType::kF32: return read_array_of<float, float>(cursor, element, count, path);
    case GgufType::kF64: return read_array_of<double, float>(cursor, element, count, path);
    case GgufType::kBool: return read_bool_array(cursor, count, path);
    case GgufType::kString: return read_string_array(cursor, count, path);
    case GgufType::kArray: break;
  }
  return error("{}: byte {}: expected an array of plain values, found an array of arrays", path, at);
}

Result<GgufValue> read_value(Cursor& cursor, const std::string& path) {
  INVAR_TRY(const GgufType type, read_type(cursor, path));
  switch (type) {
    case GgufType::kU8: return read_scalar<uint8_t>(cursor, type);
    case GgufType::kI8: return read_scalar<int8_t>(cursor, type);
    case GgufType::kU16: return read_scalar<uint16_t>(cursor, type);
    case GgufType::kI16: return read_scalar<int16_t>(cursor, type);
    case GgufType::kU32: return read_scalar<uint32_t>(cursor, type);
    case GgufType::kI32: return read_scalar<int32_t>(cursor, type);
    case GgufType::kU64: return read_scalar<uint64_t>(cursor, type);
    case GgufType::kI64: return read_scalar<int64_t>(cursor, type);
    case GgufType::kF32: return read_scalar<float>(cursor, type);
    case GgufType::kF64: return read_scalar<double>(cursor, type);
    case GgufType::kArray: return read_array(cursor, path);
    case GgufType::kBool: {
      INVAR_TRY(const bool value, read_bool(cursor, path));
      return GgufValue{type, type, value};
    }
    case GgufType::kString: {
      INVAR_TRY(std::string text, cursor.read_string("string", std::numeric_limits<uint64_t>::max()));
      return GgufValue{type, type, std::move(text)};
    }
  }
  return error("{}: unknown value type", path);
}

Result<GgmlType> ggml_type(uint32_t type, const std::string& path, std::string_view tensor) {
  switch (static_cast<GgmlType>(type)) {
    case GgmlType::kF32:
    case GgmlType::kF16:
    case GgmlType::kBF16:
    case GgmlType::kQ4_0:
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_0:
    case GgmlType::kQ5_1:
    case GgmlType::kQ8_0:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
    case GgmlType::kQ6_K: return static_cast<GgmlType>(type);
  }
  return error(
      "{}: tensor {}: expected type F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K, "
      "found ggml type {}; convert the model to one of these",
      path, quote(tensor), type);
}

struct TensorInfo {
  GgufTensor tensor;
  uint64_t offset;  // from the start of the tensor data
  uint64_t bytes;
};

Result<TensorInfo> read_tensor_info(Cursor& cursor, const std::string& path) {
  TensorInfo info;
  INVAR_TRY(info.tensor.name, cursor.read_string("tensor name", kNameBytesMax));
  const std::string& name = info.tensor.name;
  INVAR_TRY(const uint32_t rank, cursor.read<uint32_t>("tensor rank"));
  if (rank < 1 || rank > 4) {
    return error("{}: tensor {}: expected 1 to 4 dimensions, found {}", path, quote(name), rank);
  }
  info.tensor.shape.resize(rank);
  uint64_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    INVAR_TRY(const uint64_t dim, cursor.read<uint64_t>("tensor dimension"));
    // 2^56 elements keep every later product (bytes, offsets) inside 64 bits.
    if (dim == 0 || dim > (uint64_t{1} << 56) / elements) {
      return error("{}: tensor {}: dimension {} is {}: expected 1 or more, and fewer than 2^56 elements",
                   path, quote(name), i, dim);
    }
    elements *= dim;
    info.tensor.shape[rank - 1 - i] = static_cast<int64_t>(dim);
  }
  INVAR_TRY(const uint32_t type, cursor.read<uint32_t>("tensor type"));
  INVAR_TRY(info.tensor.type, ggml_type(type, path, name));
  const GgmlBlock block = ggml_block(info.tensor.type);
  if (info.tensor.shape.back() % block.elements != 0) {
    return error("{}: tensor {}: rows of {} elements are not whole {} blocks of {}", path, quote(name),
                 info.tensor.shape.back(), block.name, block.elements);
  }
  info.bytes = elements / static_cast<uint64_t>(block.elements) * static_cast<uint64_t>(block.bytes);
  INVAR_TRY(info.offset, cursor.read<uint64_t>("tensor offset"));
  return info;
}

// Two tensors over the same bytes are never meant; neighbours in offset order are enough to see it.
Status check_no_overlap(const std::vector<TensorInfo>& infos, const std::string& path) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& info : infos) order.push_back(&info);
  std::sort(order.begin(), order.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i]->offset - order[i - 1]->offset < order[i - 1]->bytes) {
      return error("{}: tensors {} and {} overlap: offsets {} and {}, sizes {} and {}", path,
                   quote(order[i - 1]->tensor.name), quote(order[i]->tensor.name), order[i - 1]->offset,
                   order[i]->offset, order[i - 1]->bytes, order[i]->bytes);
    }
  }
  return Ok{};
}

Result<uint64_t> find_alignment(const GgufFile& file) {
  if (file.find("general.alignment") == nullptr) return uint64_t{32};
  const std::optional<uint64_t> alignment = file.find_uint("general.alignment");
  if (!alignment || !std::has_single_bit(*alignment) || *alignment > kAlignmentMax) {
    return error("{}: general.alignment: expected a power of two up to {}, found {}", file.path(),
                 kAlignmentMax, alignment ? std::to_string(*alignment) : "another type");
  }
  return *alignment;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::string_view kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                         "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<uint32_t>(type)];
}

GgmlBlock ggml_block(GgmlType type) {
  switch (type) {
    case GgmlType::kF32: return {"F32", 1, 4};
    case GgmlType::kF16: return {"F16", 1, 2};
    case GgmlType::kBF16: return {"BF16", 1, 2};
    case GgmlType::kQ4_0: return {"Q4_0", 32, 18};
    case GgmlType::kQ4_1: return {"Q4_1", 32, 20};
    case GgmlType::kQ5_0: return {"Q5_0", 32, 22};
    case GgmlType::kQ5_1: return {"Q5_1", 32, 24};
    case GgmlType::kQ8_0: return {"Q8_0", 32, 34};
    case GgmlType::kQ4_K: return {"Q4_K", 256, 144};
    case GgmlType::kQ5_K: return {"Q5_K", 256, 176};
    case GgmlType::kQ6_K: return {"Q6_K", 256, 210};
  }
  INVAR_CHECK(false, "ggml type {}", static_cast<uint32_t>(type));
  return {};
}

int64_t GgufTensor::elements() const {
  int64_t product = 1;
  for (const int64_t dim : shape) product *= dim;
  return product;
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  GgufFile file;
  INVAR_TRY(file.file_, MappedFile::open(path));
  file.path_ = path;
  INVAR_RETURN_IF_ERROR(file.parse(file.file_.bytes()));
  return file;
}

Result<GgufFile> GgufFile::from_memory(std::span<const std::byte> bytes, std::string name) {
  GgufFile file;
  file.path_ = std::move(name);
  INVAR_RETURN_IF_ERROR(file.parse(bytes));
  return file;
}

Status GgufFile::parse(std::span<const std::byte> bytes) {
  Cursor cursor(bytes, path_);
  INVAR_TRY(const uint32_t magic, cursor.read<uint32_t>("magic"));
  if (magic != 0x46554747)
    return error("{}: expected a GGUF file, found other first bytes (0x{:08x})", path_, magic);
  INVAR_TRY(version_, cursor.read<uint32_t>("version"));
  if (version_ == 0x02000000 || version_ == 0x03000000) {
    return error("{}: expected a little-endian GGUF file, found a big-endian one", path_);
  }
  if (version_ != 2 && version_ != 3)
    return error("{}: expected GGUF version 2 or 3, found {}", path_, version_);
  INVAR_TRY(const uint64_t tensor_count, cursor.read<uint64_t>("tensor count"));
  INVAR_TRY(const uint64_t key_count, cursor.read<uint64_t>("key count"));
  if (tensor_count > kTensorsMax || key_count > kKeysMax) {
    return error("{}: expected at most {} tensors and {} keys, found {} and {}", path_, kTensorsMax, kKeysMax,
                 tensor_count, key_count);
  }
  for (uint64_t i = 0; i < key_count; ++i) {
    INVAR_TRY(std::string key, cursor.read_string("key", kNameBytesMax));
    Result<GgufValue> value = read_value(cursor, path_);
    if (!value) return error("{} (key {})", value.message(), quote(key));
    if (!values_.emplace(key, std::move(*value)).second) {
      return error("{}: the key {} occurs twice", path_, quote(key));
    }
  }
  INVAR_TRY(const uint64_t alignment, find_alignment(*this));

  std::vector<TensorInfo> infos;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    INVAR_TRY(TensorInfo info, read_tensor_info(cursor, path_));
    if (!tensor_index_.emplace(info.tensor.name, i).second) {
      return error("{}: the tensor {} occurs twice", path_, quote(info.tensor.name));
    }
    infos.push_back(std::move(info));
  }
  const uint64_t data_begin = (cursor.position() + alignment - 1) / alignment * alignment;
  const uint64_t data_bytes = bytes.size() > data_begin ? bytes.size() - data_begin : 0;
  for (TensorInfo& info : infos) {
    if (info.offset % alignment != 0) {
      return error("{}: tensor {}: expected an offset that is a multiple of {}, found {}", path_,
                   quote(info.tensor.name), alignment, info.offset);
    }
    if (info.offset > data_bytes || info.bytes > data_bytes - info.offset) {
      return error(
          "{}: tensor {}: expected {} bytes at offset {}, found {} bytes of tensor data in all; "
          "the file is cut off",
          path_, quote(info.tensor.name), info.bytes, info.offset, data_bytes);
    }
    info.tensor.data = bytes.subspan(data_begin + info.offset, info.bytes);
  }
  INVAR_RETURN_IF_ERROR(check_no_overlap(infos, path_));
  for (TensorInfo& info : infos) tensors_.push_back(std::move(info.tensor));
  return Ok{};
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

template <class T>
const T* GgufFile::find_as(std::string_view key) const {
  const GgufValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<T>(&value->value);
}

const std::string* GgufFile::find_string(std::string_view key) const { return find_as<std::string>(key); }

std::optional<uint64_t> GgufFile::find_uint(std::string_view key) const {
  if (const uint64_t* value = find_as<uint64_t>(key)) return *value;
  const int64_t* value = find_as<int64_t>(key);
  if (value != nullptr && *value >= 0) return static_cast<uint64_t>(*value);
  return std::nullopt;
}

std::optional<double> GgufFile::find_float(std::string_view key) const {
  const double* value = find_as<double>(key);
  return value == nullptr ? std::nullopt : std::optional<double>(*value);
}

std::optional<bool> GgufFile::find_bool(std::string_view key) const {
  const bool* value = find_as<bool>(key);
  return value == nullptr ? std::nullopt : std::optional<bool>(*value);
}

const std::vector<std::string>* GgufFile::find_strings(std::string_view key) const {
  return find_as<std::vector<std::string>>(key);
}

const std::vector<int64_t>* GgufFile::find_ints(std::string_view key) const {
  return find_as<std::vector<int64_t>>(key);
}

const std::vector<float>* GgufFile::find_floats(std::string_view key) const {
  return find_as<std::vector<float>>(key);
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace invar
