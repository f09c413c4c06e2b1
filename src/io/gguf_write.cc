#include "io/gguf_write.h"

#include <cstring>
#include <type_traits>

namespace invar {
namespace {

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void put_text(std::string& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out += text;
}

// An integer in as many bytes as its type has: they are the low bytes of the widened one.
void put_integer(std::string& out, GgufType type, uint64_t value) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool: return put(out, static_cast<uint8_t>(value));
    case GgufType::kU16:
    case GgufType::kI16: return put(out, static_cast<uint16_t>(value));
    case GgufType::kU32:
    case GgufType::kI32: return put(out, static_cast<uint32_t>(value));
    case GgufType::kU64:
    case GgufType::kI64: return put(out, value);
    default: break;
  }
  INVAR_CHECK(false, "{} is not a type of integers", gguf_type_name(type));
}

struct PutValue {
  std::string& out;
  const GgufValue& value;

  void begin_array(GgufType element, std::size_t count) const {
    put(out, static_cast<uint32_t>(element));
    put(out, uint64_t{count});
  }
  void operator()(uint64_t number) const { put_integer(out, value.type, number); }
  void operator()(int64_t number) const { put_integer(out, value.type, static_cast<uint64_t>(number)); }
  void operator()(bool flag) const { put_integer(out, value.type, flag ? 1 : 0); }
  void operator()(double number) const {
    if (value.type == GgufType::kF32) return put(out, static_cast<float>(number));
    put(out, number);
  }
  void operator()(const std::string& text) const { put_text(out, text); }
  void operator()(const std::vector<std::string>& texts) const {
    begin_array(GgufType::kString, texts.size());
    for (const std::string& text : texts) put_text(out, text);
  }
  void operator()(const std::vector<int64_t>& numbers) const {
    begin_array(value.element, numbers.size());
    for (const int64_t number : numbers) put_integer(out, value.element, static_cast<uint64_t>(number));
  }
  void operator()(const std::vector<float>& numbers) const {
    begin_array(GgufType::kF32, numbers.size());
    for (const float number : numbers) put(out, number);
  }
};

}  // namespace

std::string gguf_metadata(const GgufFile& file, std::string_view prefix) {
  std::string keys;
  uint64_t count = 0;
  for (const auto& [key, value] : file.values()) {
    if (key != "general.architecture" && !key.starts_with(prefix)) continue;
    put_text(keys, key);
    put(keys, static_cast<uint32_t>(value.type));
    std::visit(PutValue{keys, value}, value.value);
    ++count;
  }
  std::string out = "GGUF";
  put(out, uint32_t{3});
  put(out, uint64_t{0});  // tensors
  put(out, count);
  return out + keys;
}

}  // namespace invar
