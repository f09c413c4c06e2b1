// Writing a folder of files so that it is there whole or not at all.
//
// The files go into a temporary folder beside the target, each synced when it is finished; then the temporary folder is
// synced and renamed to the target, and the folder above is synced. A process that is killed, or a disk that is full,
// leaves the target as it was, and at most a folder `<target>.tmp-<number>`, which nobody takes for the target.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/hash.h"

namespace invar {

// One file of an AtomicFolder, hashed while it is written.
class FolderFile {
 public:
  FolderFile(FolderFile&& other) noexcept;
  FolderFile& operator=(FolderFile&&) = delete;
  ~FolderFile();

  // Errors: disk full, file size limit, I/O error. Works through `bytes` in pieces; nothing is copied.
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);

  // Syncs and closes the file. Returns the SHA-256 of what was written, 64 hex digits. Afterwards this object is done.
  Result<std::string> finish();

 private:
  friend class AtomicFolder;
  FolderFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
  Sha256 sum_;
};

class AtomicFolder {
 public:
  // Creates the temporary folder. `path`: without a slash at its end. Errors: the folder above is missing or not
  // writable.
  static Result<AtomicFolder> create(const std::string& path);

  AtomicFolder(AtomicFolder&& other) noexcept;
  AtomicFolder& operator=(AtomicFolder&&) = delete;
  ~AtomicFolder();  // without commit(): removes the temporary folder

  // `name`: without slashes, and once. Errors: those of opening a file.
  Result<FolderFile> create_file(const std::string& name);
  // All of it. Returns the SHA-256.
  Result<std::string> write_file(const std::string& name, std::string_view text);

  // Makes the temporary folder the one at `path`, in place of a folder that is there; all files are finished.
  // Afterwards this object is done.
  Status commit();

 private:
  AtomicFolder() = default;
  std::string path_, temporary_;
};

// Removes the folder or file `path` so that no reader meets a part of it: it becomes `<path>.tmp-<number>` first.
Status remove_folder_atomically(const std::string& path);

// Whether `name` is `<target>.tmp-<number>` for some target: `target`, or nothing.
std::string_view target_of_temporary(std::string_view name);

}  // namespace invar
