// Writing files so that a reader sees the old file or the whole new one, and a crash or a full disk leaves the old one.
//
// The bytes go to a temporary file beside the target (same file system), which is synced and then renamed over it;
// then the folder is synced, so that the rename itself survives a power cut.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace invar {

class AtomicFile {
 public:
  // Creates the temporary file. Errors: the folder is missing or not writable.
  static Result<AtomicFile> create(const std::string& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit(): removes the temporary file

  // Errors: disk full, file size limit, I/O error; the target is untouched and the temporary file will be removed.
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);

  // Makes the written bytes the file at `path`. Afterwards this object is done.
  Status commit();

 private:
  AtomicFile() = default;
  std::string path_, temporary_;
  int fd_ = -1;
};

// The three steps in one.
Status write_file_atomically(const std::string& path, std::string_view text);

// Makes the names in a folder survive a power cut: what was created, renamed and removed there before the call.
Status sync_folder(const std::string& folder);

// The folder that holds `path`: "a" for "a/b", "." for "b".
std::string folder_of(const std::string& path);

// Writes all of `bytes`, however many calls it takes. `path` is for messages.
Status write_all(int fd, const std::string& path, std::span<const std::byte> bytes);

}  // namespace invar
