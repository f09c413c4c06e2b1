// GgufBuilder: the bytes of a GGUF version 3 file, put together in memory. For tests and fuzzer seeds; it
// checks nothing, so that it can also build files that must be refused.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "io/gguf.h"

namespace invar {

class GgufBuilder {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;  // of the tensor data; write it with put(...) too if it is not 32

  // Arithmetic types are written with their own GGUF type.
  template <class T>
  GgufBuilder& put(std::string_view key, T value) {
    begin_key(key, type_of<T>());
    number(keys_, value);
    return *this;
  }
  GgufBuilder& put_string(std::string_view key, std::string_view value) {
    begin_key(key, GgufType::kString);
    text(keys_, value);
    return *this;
  }
  template <class T>
  GgufBuilder& put_array(std::string_view key, const std::vector<T>& values) {
    begin_key(key, GgufType::kArray);
    number(keys_, static_cast<uint32_t>(type_of<T>()));
    number(keys_, uint64_t{values.size()});
    for (const T value : values) number(keys_, value);
    return *this;
  }
  GgufBuilder& put_strings(std::string_view key, const std::vector<std::string>& values) {
    begin_key(key, GgufType::kArray);
    number(keys_, static_cast<uint32_t>(GgufType::kString));
    number(keys_, uint64_t{values.size()});
    for (const std::string& value : values) text(keys_, value);
    return *this;
  }
  // Any bytes under a key, the value type included: for files that must be refused.
  GgufBuilder& put_raw(std::string_view key, std::string_view type_and_value) {
    text(keys_, key);
    keys_ += type_and_value;
    ++key_count_;
    return *this;
  }

  // `shape` outermost first; `data` is appended at the next aligned offset.
  GgufBuilder& tensor(std::string_view name, GgmlType type, const std::vector<int64_t>& shape,
                      std::string_view data) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    tensor_at(name, static_cast<uint32_t>(type), shape, data_.size());
    data_ += data;
    return *this;
  }
  // Only the entry in the table, with any type and offset.
  GgufBuilder& tensor_at(std::string_view name, uint32_t type, const std::vector<int64_t>& shape,
                         uint64_t offset) {
    text(tensors_, name);
    number(tensors_, static_cast<uint32_t>(shape.size()));
    for (std::size_t i = shape.size(); i-- > 0;) number(tensors_, static_cast<uint64_t>(shape[i]));
    number(tensors_, type);
    number(tensors_, offset);
    ++tensor_count_;
    return *this;
  }

  std::string bytes() const {
    std::string out = "GGUF";
    number(out, version);
    number(out, tensor_count_);
    number(out, key_count_);
    out += keys_ + tensors_;
    if (tensor_count_ > 0) out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data_;
  }

 private:
  template <class T>
  static constexpr GgufType type_of() {
    if constexpr (std::is_same_v<T, bool>) return GgufType::kBool;
    if constexpr (std::is_same_v<T, uint8_t>) return GgufType::kU8;
    if constexpr (std::is_same_v<T, int8_t>) return GgufType::kI8;
    if constexpr (std::is_same_v<T, uint16_t>) return GgufType::kU16;
    if constexpr (std::is_same_v<T, int16_t>) return GgufType::kI16;
    if constexpr (std::is_same_v<T, uint32_t>) return GgufType::kU32;
    if constexpr (std::is_same_v<T, int32_t>) return GgufType::kI32;
    if constexpr (std::is_same_v<T, uint64_t>) return GgufType::kU64;
    if constexpr (std::is_same_v<T, int64_t>) return GgufType::kI64;
    if constexpr (std::is_same_v<T, float>) return GgufType::kF32;
    if constexpr (std::is_same_v<T, double>) return GgufType::kF64;
  }
  template <class T>
  static void number(std::string& out, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
  }
  static void text(std::string& out, std::string_view value) {
    number(out, uint64_t{value.size()});
    out += value;
  }
  void begin_key(std::string_view key, GgufType type) {
    text(keys_, key);
    number(keys_, static_cast<uint32_t>(type));
    ++key_count_;
  }

  std::string keys_, tensors_, data_;
  uint64_t key_count_ = 0, tensor_count_ = 0;
};

}  // namespace invar
