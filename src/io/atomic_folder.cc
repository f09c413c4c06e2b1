#include "io/atomic_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "io/atomic_file.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";
constexpr int kNames = 1000;

std::string temporary_name(const std::string& path, int i) { return fmt::format("{}{}{}", path, kMark, i); }

Error no_name(const std::string& path) {
  return error("{}: found {} temporary folders {}{}*; remove them", path, kNames, path, kMark);
}

// Moves `path` to a temporary name that is free, and returns that.
Result<std::string> move_away(const std::string& path) {
  for (int i = 0; i < kNames; ++i) {
    std::string name = temporary_name(path, i);
    if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) return name;
    if (errno == EEXIST) continue;
    if (errno != EINVAL) return error("{}: cannot rename: {}", path, std::strerror(errno));
    // A file system without that flag (NFS): a free name, and a rename that replaces nothing but an empty folder.
    if (::access(name.c_str(), F_OK) == 0) continue;
    if (::rename(path.c_str(), name.c_str()) == 0) return name;
    return error("{}: cannot rename: {}", path, std::strerror(errno));
  }
  return no_name(path);
}

}  // namespace

FolderFile::FolderFile(FolderFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), sum_(std::move(other.sum_)) {}

FolderFile::~FolderFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status FolderFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;  // is still in cache when it is hashed
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kPiece));
    INVAR_RETURN_IF_ERROR(write_all(fd_, path_, piece));
    sum_.add(piece);
    bytes = bytes.subspan(piece.size());
  }
  return Ok{};
}

Status FolderFile::write(std::string_view text) { return write(std::as_bytes(std::span<const char>(text))); }

Result<std::string> FolderFile::finish() {
  if (::fsync(fd_) != 0) return error("{}: cannot sync: {}", path_, std::strerror(errno));
  if (::close(std::exchange(fd_, -1)) != 0) return error("{}: cannot close: {}", path_, std::strerror(errno));
  return hex(sum_.digest());
}

Result<AtomicFolder> AtomicFolder::create(const std::string& path) {
  INVAR_CHECK(!path.empty() && path.back() != '/', "{}", path);
  for (int i = 0; i < kNames; ++i) {
    std::string temporary = temporary_name(path, i);
    if (::mkdir(temporary.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      return error("{}: cannot create a temporary folder beside it: {}", path, std::strerror(errno));
    }
    AtomicFolder folder;
    folder.path_ = path;
    folder.temporary_ = std::move(temporary);
    return folder;
  }
  return no_name(path);
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Result<FolderFile> AtomicFolder::create_file(const std::string& name) {
  INVAR_CHECK(!name.empty() && name.find('/') == std::string::npos, "{}", name);
  const std::string path = temporary_ + "/" + name;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return error("{}: cannot create: {}", path, std::strerror(errno));
  return FolderFile(path, fd);
}

Result<std::string> AtomicFolder::write_file(const std::string& name, std::string_view text) {
  INVAR_TRY(FolderFile file, create_file(name));
  INVAR_RETURN_IF_ERROR(file.write(text));
  return file.finish();
}

Status AtomicFolder::commit() {
  INVAR_RETURN_IF_ERROR(sync_folder(temporary_));
  struct stat info;
  const bool replaces = ::lstat(path_.c_str(), &info) == 0;
  std::string old;
  if (replaces && ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
    old = std::exchange(temporary_, {});
  } else {
    // Between these two renames there is no folder at `path_`; only file systems that cannot exchange come here.
    if (replaces) {
      INVAR_TRY(old, move_away(path_));
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int reason = errno;
      if (!old.empty()) ::rename(old.c_str(), path_.c_str());
      return error("{}: cannot rename the finished folder into place: {}", path_, std::strerror(reason));
    }
    temporary_.clear();
  }
  INVAR_RETURN_IF_ERROR(sync_folder(folder_of(path_)));
  std::error_code ignored;  // what stays has a temporary's name
  if (!old.empty()) fs::remove_all(old, ignored);
  return Ok{};
}

Status remove_folder_atomically(const std::string& path) {
  INVAR_TRY(const std::string old, move_away(path));
  INVAR_RETURN_IF_ERROR(sync_folder(folder_of(path)));
  std::error_code code;
  fs::remove_all(old, code);
  if (code) return error("{}: cannot remove: {}", old, code.message());
  return Ok{};
}

std::string_view target_of_temporary(std::string_view name) {
  const std::size_t mark = name.rfind(kMark);
  if (mark == std::string_view::npos || mark == 0) return {};
  const std::string_view number = name.substr(mark + kMark.size());
  const bool digits = std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  return !number.empty() && digits ? name.substr(0, mark) : std::string_view();
}

}  // namespace invar
