// Any bytes as a checkpoint's state.json, with the digest that belongs to them: no crash, one-line errors, and what was
// accepted is written as it was read.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/check.h"
#include "io/hash.h"
#include "train/checkpoint_format.h"

namespace {

using namespace invar;

// A folder with a file or two, as in the corpus; gone at the end of the process.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "invar_checkpoint_fuzz_XXXXXX";
    INVAR_CHECK(mkdtemp(name.data()) != nullptr, "{}", name);
    path_ = name;
    write(checkpoint_format::kConfig, "{}");
    write(checkpoint_format::kOptimizer, "");
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  void write(const char* name, std::string_view text) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void check_line(const std::string& message) {
  for (const char c : message) INVAR_CHECK(static_cast<unsigned char>(c) >= 0x20, "{}", message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<Json> json = parse_json(text, "fuzz", checkpoint_format::kStateLimits);
  if (!json.ok()) return 0;
  const auto file = checkpoint_format::from_json(*json, "fuzz");
  if (!file.ok()) {
    check_line(file.message());
    return 0;
  }
  INVAR_CHECK(file->state.step >= 0 && file->state.numerics_version >= 0);
  const Json written = checkpoint_format::to_json(*file);
  const auto again = checkpoint_format::from_json(written, "fuzz");
  INVAR_CHECK(again.ok(), "{}", again.message());
  INVAR_CHECK(again->state == file->state && again->digests == file->digests, "{}", written.dump());

  static const Folder folder;
  folder.write(checkpoint_format::kState, text);
  folder.write(checkpoint_format::kStateDigest,
               checkpoint_format::state_digest_line(sha256_hex(std::as_bytes(std::span(text)))));
  const auto checkpoint = Checkpoint::open(folder.path());
  INVAR_CHECK(!checkpoint.ok(), "a checkpoint without weights");
  check_line(checkpoint.message());
  return 0;
}
