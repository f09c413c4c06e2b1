// The texts and hashes of tests/goldens/tokenizer_*.json, made again as
// tools/oracle/make_tokenizer_goldens.py made them. For tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/split_mix.h"
#include "io/hash.h"
#include "io/json.h"
#include "text/utf8.h"

namespace invar {

inline Json read_golden(const std::string& name) {
  auto json = read_json_file(std::string(INVAR_SOURCE_DIR) + "/tests/goldens/tokenizer_" + name + ".json");
  INVAR_CHECK(json.ok(), "{}", json.message());
  return std::move(*json);
}

inline std::string fuzz_text(SplitMix64& rng, const std::vector<std::string>& fragments) {
  std::string text;
  for (uint64_t n = rng.next() % 48; n > 0; --n) {
    const uint64_t x = rng.next();
    if (x % 8) {
      text += fragments[(x >> 8) % fragments.size()];
      continue;
    }
    const auto c = static_cast<char32_t>((x >> 8) % 0x110000);
    if (c < 0xD800 || c >= 0xE000) append_utf8(text, c);
  }
  return text;
}

// Hashes of consecutive blocks of items.
class BlockHashes {
 public:
  explicit BlockHashes(size_t block) : block_(block) {}

  void add_ids(const std::vector<int32_t>& ids) {
    const int32_t end = -1;
    add_bytes({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
    add_bytes({reinterpret_cast<const char*>(&end), sizeof end});
  }
  void add_bytes(std::string_view bytes) { sha_->add(bytes); }
  void end_item() {
    if (++items_ % block_ == 0) close();
  }
  std::vector<std::string> take() {
    if (items_ % block_) close();
    return std::move(hashes_);
  }

 private:
  void close() {
    hashes_.push_back(hex(sha_->digest()).substr(0, 8));
    sha_ = std::make_unique<Sha256>();
  }

  size_t block_, items_ = 0;
  std::unique_ptr<Sha256> sha_ = std::make_unique<Sha256>();
  std::vector<std::string> hashes_;
};

}  // namespace invar
