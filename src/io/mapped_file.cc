#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

namespace invar {
namespace {

// Closes the descriptor at the end of the scope.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

struct OpenFile {
  Descriptor descriptor;
  int64_t bytes;
};

Result<OpenFile> open_regular(const std::string& path) {
  // O_NONBLOCK: opening a FIFO without a writer would otherwise wait for ever.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.fd < 0) return error("{}: cannot open: {}", path, std::strerror(errno));
  struct stat info;
  if (::fstat(descriptor.fd, &info) != 0) return error("{}: cannot stat: {}", path, std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return error("{}: expected a file, found a folder", path);
  if (!S_ISREG(info.st_mode))
    return error("{}: expected a regular file, found a device, pipe or socket", path);
  return OpenFile{std::move(descriptor), static_cast<int64_t>(info.st_size)};
}

const char* lost_mapping_message = "";

// Nothing but calls that a signal handler may make.
void on_bus_error(int, siginfo_t* info, void*) {
  if (info->si_code != BUS_ADRERR) {  // another cause: the signal has its way
    std::signal(SIGBUS, SIG_DFL);
    std::raise(SIGBUS);
    return;
  }
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, lost_mapping_message, std::strlen(lost_mapping_message));
  ::_exit(1);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  INVAR_TRY(const OpenFile file, open_regular(path));
  if (file.bytes == 0) return error("{}: the file is empty", path);
  const auto bytes = static_cast<std::size_t>(file.bytes);
  void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor.fd, 0);
  if (data == MAP_FAILED) return error("{}: cannot map {} bytes: {}", path, bytes, std::strerror(errno));
  MappedFile mapped;
  mapped.path_ = path;
  mapped.bytes_ = {static_cast<const std::byte*>(data), bytes};
  return mapped;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void explain_lost_mappings(const char* message) {
  lost_mapping_message = message;
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

Result<std::string> read_file(const std::string& path, int64_t bytes_max) {
  INVAR_TRY(const OpenFile file, open_regular(path));
  if (file.bytes > bytes_max) {
    return error("{}: expected at most {} bytes, found {}", path, bytes_max, file.bytes);
  }
  std::string text(static_cast<std::size_t>(file.bytes), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t n = ::read(file.descriptor.fd, text.data() + filled, text.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error("{}: cannot read: {}", path, std::strerror(errno));
    if (n == 0)
      return error("{}: expected {} bytes, found {}: it shrank while it was read", path, text.size(), filled);
    filled += static_cast<std::size_t>(n);
  }
  return text;
}

Status read_in_pieces(const std::string& path,
                      const std::function<Status(std::span<const std::byte>)>& each) {
  INVAR_TRY(const OpenFile file, open_regular(path));
  std::vector<std::byte> piece(std::size_t{1} << 20);
  while (true) {
    const ssize_t n = ::read(file.descriptor.fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error("{}: cannot read: {}", path, std::strerror(errno));
    if (n == 0) return Ok{};
    INVAR_RETURN_IF_ERROR(each(std::span(piece).first(static_cast<std::size_t>(n))));
  }
}

bool is_directory(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_file(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace invar
