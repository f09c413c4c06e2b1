// Reading files: a read-only mapping for weights, a bounded read for text.
//
// A mapping shows the file, not a copy. If another program shortens the file while we read it, the kernel
// sends SIGBUS and the process ends: explain_lost_mappings() makes that one clear line. Replace files by rename
// (io/atomic_file.h does), which leaves the old mapping whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace invar {

class MappedFile {
 public:
  // Errors: missing, no permission, a folder or another kind of non-file, empty, out of address space.
  static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }  // page-aligned

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
};

// For programs, once at their start: a read of a mapping that has nothing behind it any more (SIGBUS: the file was
// shortened, or its disk failed) ends the process with `message` on standard error and exit code 1, instead of with a
// bus error. message: a literal that ends in a new line.
void explain_lost_mappings(const char* message);

// The whole file as a string. Errors: as above (an empty file is fine), or longer than bytes_max.
Result<std::string> read_file(const std::string& path, int64_t bytes_max);

// Calls `each` with the file's bytes, piece after piece, in order. Reads instead of mapping: a disk that fails is an
// error here, where a mapping ends the process. Errors: as read_file's; those of `each`, at once.
Status read_in_pieces(const std::string& path, const std::function<Status(std::span<const std::byte>)>& each);

bool is_directory(const std::string& path);
bool is_file(const std::string& path);

}  // namespace invar
