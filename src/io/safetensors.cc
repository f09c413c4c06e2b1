#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "io/json.h"
#include "io/quote.h"

namespace invar {
namespace {

constexpr uint64_t kHeaderBytesMax = 100'000'000;   // the reference implementation's limit
constexpr int64_t kElementsMax = int64_t{1} << 56;  // keeps elements * dtype_bytes inside 64 bits

Result<DType> parse_dtype(const std::string& name, const std::string& where) {
  for (const DType type : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64, DType::kI64, DType::kI32,
                           DType::kI16, DType::kI8, DType::kU8, DType::kBool}) {
    if (dtype_name(type) == name) return type;
  }
  return error("{}: dtype: expected F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL, found {}", where,
               quote(name));
}

struct Entry {
  std::string name;
  SafetensorsTensor tensor;
  int64_t begin, end;  // bytes in the data
};

Result<Entry> parse_entry(const std::string& name, const Json& json, const std::string& path) {
  INVAR_TRY(const JsonObject object, JsonObject::from(json, fmt::format("{}: tensor {}", path, quote(name))));
  Entry entry{.name = name};
  INVAR_TRY(const std::string dtype, object.require_string("dtype"));
  INVAR_TRY(entry.tensor.dtype, parse_dtype(dtype, object.where()));
  const Json* shape = object.find("shape");
  if (shape == nullptr || !shape->is_array()) return object.mismatch("shape", "an array of dimensions");
  INVAR_TRY(entry.tensor.shape, object.get_ints("shape", 0, kElementsMax));
  int64_t elements = 1;
  for (const int64_t dim : entry.tensor.shape) {
    if (dim != 0 && elements > kElementsMax / dim) {
      return error("{}: shape: expected at most 2^56 elements, found more", object.where());
    }
    elements *= dim;
  }
  INVAR_TRY(const std::vector<int64_t> offsets, object.get_ints("data_offsets", 0, INT64_MAX));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return error("{}: data_offsets: expected [begin, end] with begin <= end", object.where());
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  const int64_t bytes = elements * dtype_bytes(entry.tensor.dtype);
  if (entry.end - entry.begin != bytes) {
    return error("{}: data_offsets: expected {} bytes for its dtype and shape, found {} to {}",
                 object.where(), bytes, entry.begin, entry.end);
  }
  return entry;
}

Result<std::map<std::string, std::string>> parse_metadata(const Json& json, const std::string& path) {
  INVAR_TRY(const JsonObject object, JsonObject::from(json, path + ": __metadata__"));
  std::map<std::string, std::string> out;
  for (const auto& item : json.items()) {
    INVAR_TRY(out[item.key()], object.require_string(item.key()));
  }
  return out;
}

// Tensors lie end to end from the first byte to the last: no hole, no overlap, nothing hidden behind them.
Status check_layout(std::vector<Entry>& entries, int64_t data_bytes, const std::string& path) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  int64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      return error(
          "{}: tensor {}: expected data_offsets to begin at {}, where the tensor before it ends, found {}",
          path, quote(entry.name), position, entry.begin);
    }
    if (entry.end > data_bytes) {
      return error(
          "{}: tensor {}: expected bytes {} to {} of the data, found {} bytes in all; the file is cut off",
          path, quote(entry.name), entry.begin, entry.end, data_bytes);
    }
    position = entry.end;
  }
  if (position != data_bytes) {
    return error("{}: expected {} bytes of tensor data, found {}", path, position, data_bytes);
  }
  return Ok{};
}

}  // namespace

int64_t SafetensorsTensor::elements() const {
  int64_t product = 1;
  for (const int64_t dim : shape) product *= dim;
  return product;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  INVAR_TRY(file.file_, MappedFile::open(path));
  file.path_ = path;
  INVAR_RETURN_IF_ERROR(file.parse(file.file_.bytes()));
  return file;
}

Result<SafetensorsFile> SafetensorsFile::from_memory(std::span<const std::byte> bytes, std::string name) {
  SafetensorsFile file;
  file.path_ = std::move(name);
  INVAR_RETURN_IF_ERROR(file.parse(bytes));
  return file;
}

Status SafetensorsFile::parse(std::span<const std::byte> bytes) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) {
    return error("{}: expected a safetensors file, found {} bytes; the file is cut off", path_, bytes.size());
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes = bytes.subspan(sizeof header_bytes);
  if (header_bytes > kHeaderBytesMax) {
    return error("{}: expected a safetensors header of at most {} bytes, found a length of {}", path_,
                 kHeaderBytesMax, header_bytes);
  }
  if (header_bytes > bytes.size()) {
    return error("{}: expected a header of {} bytes, found {}; the file is cut off", path_, header_bytes,
                 bytes.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), header_bytes);
  bytes = bytes.subspan(header_bytes);
  const JsonLimits limits{.bytes_max = static_cast<int64_t>(kHeaderBytesMax), .depth_max = 8};
  INVAR_TRY(const Json header, parse_json(text, path_ + ": header", limits));
  INVAR_TRY(const JsonObject object, JsonObject::from(header, path_ + ": header"));

  std::vector<Entry> entries;
  for (const auto& item : object.json().items()) {
    if (item.key() == "__metadata__") {
      INVAR_TRY(metadata_, parse_metadata(item.value(), path_));
      continue;
    }
    INVAR_TRY(Entry entry, parse_entry(item.key(), item.value(), path_));
    entries.push_back(std::move(entry));
  }
  INVAR_RETURN_IF_ERROR(check_layout(entries, static_cast<int64_t>(bytes.size()), path_));
  for (Entry& entry : entries) {
    entry.tensor.data = bytes.subspan(static_cast<std::size_t>(entry.begin),
                                      static_cast<std::size_t>(entry.end - entry.begin));
    tensors_.emplace(std::move(entry.name), std::move(entry.tensor));
  }
  return Ok{};
}

Result<SafetensorsModel> SafetensorsModel::open(const std::string& path) {
  SafetensorsModel model;
  model.path_ = path;
  std::string file = path;
  if (is_directory(path)) {
    file = path + "/model.safetensors";
    if (!is_file(file)) file = path + "/model.safetensors.index.json";
    if (!is_file(file)) {
      return error(
          "{}: expected model.safetensors or model.safetensors.index.json in this folder, found neither",
          path);
    }
  }
  if (file.ends_with(".index.json")) {
    INVAR_RETURN_IF_ERROR(model.open_sharded(file));
    return model;
  }
  INVAR_TRY(SafetensorsFile whole, SafetensorsFile::open(file));
  model.tensors_ = whole.tensors();
  model.files_.push_back(std::move(whole));
  return model;
}

Status SafetensorsModel::open_sharded(const std::string& index_path) {
  INVAR_TRY(const Json json, read_json_file(index_path));
  INVAR_TRY(const JsonObject index, JsonObject::from(json, index_path));
  INVAR_TRY(const JsonObject weight_map, index.require_object("weight_map"));
  std::set<std::string> shards;
  for (const auto& item : weight_map.json().items()) {
    INVAR_TRY(const std::string shard, weight_map.require_string(item.key()));
    if (shard.empty() || shard.find('/') != std::string::npos || shard.find('\0') != std::string::npos) {
      return error("{}: expected the name of a file in the same folder for {}, found {}", index_path,
                   quote(item.key()), quote(shard));
    }
    shards.insert(shard);
  }
  const std::size_t slash = index_path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : index_path.substr(0, slash + 1);
  for (const std::string& shard : shards) {
    Result<SafetensorsFile> file = SafetensorsFile::open(folder + shard);
    if (!file) return error("{} (a shard named by {})", file.message(), index_path);
    for (const auto& [name, tensor] : file->tensors()) {
      const Json* named = weight_map.find(name);
      if (named == nullptr || named->get_ref<const std::string&>() != shard) {
        return error("{}: the tensor {} is in {}, but the index {}", index_path, quote(name), quote(shard),
                     named == nullptr ? "does not name it" : "names another file");
      }
      tensors_.emplace(name, tensor);
    }
    files_.push_back(std::move(*file));
  }
  for (const auto& item : weight_map.json().items()) {
    if (find(item.key()) == nullptr) {
      return error("{}: the tensor {} is not in {}, where the index says it is", index_path,
                   quote(item.key()), quote(item.value().get_ref<const std::string&>()));
    }
  }
  return Ok{};
}

const SafetensorsTensor* SafetensorsModel::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace invar
