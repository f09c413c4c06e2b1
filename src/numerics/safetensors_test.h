// SafetensorsVectors: test vectors from a safetensors file of our own making, for folders that may not include io.
//
// It trusts the file: a u64 length, a JSON object of flat entries in the reference writer's spelling, the data.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace invar {

class SafetensorsVectors {
 public:
  explicit SafetensorsVectors(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    uint64_t length = 0;
    if (bytes_.size() < sizeof(length)) return;
    std::memcpy(&length, bytes_.data(), sizeof(length));
    header_ = bytes_.substr(8, length);
  }

  // True as well when the file cannot be read.
  bool empty() const { return header_.empty(); }
  bool is_fp16(const std::string& name) const { return entry(name).find("\"F16\"") != std::string::npos; }

  // The integers of the list `key`, shape or data_offsets, of a tensor. Nothing where there is none.
  std::vector<int64_t> integers(const std::string& name, const std::string& key) const {
    const std::string text = entry(name);
    std::size_t at = text.find('[', text.find("\"" + key + "\""));
    std::vector<int64_t> values;
    while (at < text.size() && text[at] != ']') {
      std::size_t used = 0;
      values.push_back(std::stoll(text.substr(++at), &used));
      at += used;
    }
    return values;
  }

  // The elements of a tensor of the dtype T; nothing where there is no such tensor.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const std::vector<int64_t> range = integers(name, "data_offsets");
    if (range.size() != 2) return {};
    std::vector<T> result(static_cast<std::size_t>(range[1] - range[0]) / sizeof(T));
    std::memcpy(result.data(), bytes_.data() + 8 + header_.size() + range[0], result.size() * sizeof(T));
    return result;
  }

 private:
  std::string entry(const std::string& name) const {
    const std::size_t begin = header_.find("\"" + name + "\":");
    return begin == std::string::npos ? "" : header_.substr(begin, header_.find('}', begin) - begin);
  }

  std::string bytes_;
  std::string header_;
};

}  // namespace invar
