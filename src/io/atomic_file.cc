#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace invar {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return error("{}: cannot open to sync it: {}", folder, std::strerror(errno));
  const int synced = ::fsync(fd);
  const int reason = errno;
  ::close(fd);
  // Some file systems cannot sync a folder and say EINVAL; they order renames themselves.
  if (synced != 0 && reason != EINVAL) return error("{}: cannot sync: {}", folder, std::strerror(reason));
  return Ok{};
}

Status write_all(int fd, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error("{}: cannot write: {}", path, std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return Ok{};
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  // Another writer, or one that was killed, may hold a name: the first free one of a few is taken.
  constexpr int kNames = 1000;
  for (int i = 0; i < kNames; ++i) {
    std::string temporary = fmt::format("{}.tmp-{}", path, i);
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) continue;
    if (fd < 0) return error("{}: cannot create a temporary file beside it: {}", path, std::strerror(errno));
    AtomicFile file;
    file.path_ = path;
    file.temporary_ = std::move(temporary);
    file.fd_ = fd;
    return file;
  }
  return error("{}: found {} temporary files {}.tmp-*; remove them", path, kNames, path);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) { return write_all(fd_, path_, bytes); }

Status AtomicFile::write(std::string_view text) {
  return write(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

Status AtomicFile::commit() {
  if (::fsync(fd_) != 0) return error("{}: cannot sync: {}", path_, std::strerror(errno));
  // close() can be the call that reports a full disk (quotas, network file systems).
  if (::close(std::exchange(fd_, -1)) != 0) return error("{}: cannot close: {}", path_, std::strerror(errno));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return error("{}: cannot rename the finished file into place: {}", path_, std::strerror(errno));
  }
  temporary_.clear();
  return sync_folder(folder_of(path_));
}

Status write_file_atomically(const std::string& path, std::string_view text) {
  INVAR_TRY(AtomicFile file, AtomicFile::create(path));
  INVAR_RETURN_IF_ERROR(file.write(text));
  return file.commit();
}

}  // namespace invar
