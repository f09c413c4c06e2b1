#include "train/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "io/atomic_file.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}

template <class T>
void put_little_endian(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(value >> (8 * i));
}

// protobuf's wire format: a field is a varint of (number << 3 | type), then its value.
enum class Wire : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint64_t field, Wire type) {
  put_varint(out, field << 3 | static_cast<uint64_t>(type));
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, Wire::kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// message Event { double wall_time = 1; int64 step = 2; oneof what { ... } }, without the last.
std::string begin_event(double wall_seconds, int64_t step) {
  std::string event;
  put_key(event, 1, Wire::kFixed64);
  put_little_endian(event, std::bit_cast<uint64_t>(wall_seconds));
  if (step != 0) {  // proto3 leaves out zeros
    put_key(event, 2, Wire::kVarint);
    put_varint(event, static_cast<uint64_t>(step));
  }
  return event;
}

uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

void put_record(std::string& out, std::string_view message) {
  std::string length;
  put_little_endian(length, uint64_t{message.size()});
  out += length;
  put_little_endian(out, masked_crc(length));
  out += message;
  put_little_endian(out, masked_crc(message));
}

struct FileName {
  int64_t seconds = 0, number = -1;
  friend auto operator<=>(const FileName&, const FileName&) = default;
};

FileName parse_name(std::string_view name) {
  FileName out;
  if (!name.starts_with(kPrefix)) return out;
  name.remove_prefix(kPrefix.size());
  const char* end = name.data() + name.size();
  const auto seconds = std::from_chars(name.data(), end, out.seconds);
  if (seconds.ec != std::errc() || seconds.ptr == end || *seconds.ptr != '.') return {};
  // Another writer's has no number there: it counts as the first of its second.
  if (std::from_chars(seconds.ptr + 1, end, out.number).ec != std::errc()) out.number = 0;
  return out;
}

// A name behind all names of `folder`, also if the clock was set back: TensorBoard reads files in name order.
Result<FileName> next_name(const std::string& folder, double wall_seconds) {
  FileName last;
  std::error_code code;
  for (auto entry = fs::directory_iterator(folder, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    last = std::max(last, parse_name(entry->path().filename().string()));
  }
  if (code) return error("{}: cannot list the folder: {}", folder, code.message());
  const auto now = static_cast<int64_t>(wall_seconds);
  return now > last.seconds ? FileName{now, 0} : FileName{last.seconds, last.number + 1};
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

Result<EventWriter> EventWriter::create(const std::string& folder, int64_t first_step, double wall_seconds) {
  INVAR_TRY(const FileName name, next_name(folder, wall_seconds));
  const std::string path = fmt::format("{}/{}{:010}.{:06}.invar", folder, kPrefix, name.seconds, name.number);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return error("{}: cannot create: {}", path, std::strerror(errno));
  EventWriter writer(path, fd);
  std::string bytes, version = begin_event(wall_seconds, 0);
  put_bytes(version, 3, "brain.Event:2");  // Event.file_version
  put_record(bytes, version);
  std::string start = begin_event(wall_seconds, first_step), log;
  put_key(log, 1, Wire::kVarint);  // SessionLog.status = START
  put_varint(log, 1);
  put_bytes(start, 7, log);  // Event.session_log
  put_record(bytes, start);
  INVAR_RETURN_IF_ERROR(writer.append(bytes));
  return writer;
}

EventWriter::EventWriter(EventWriter&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

EventWriter::~EventWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Status EventWriter::add(int64_t step, double wall_seconds, std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    put_bytes(value, 1, scalar.tag);    // Summary.Value.tag
    put_key(value, 2, Wire::kFixed32);  // Summary.Value.simple_value
    put_little_endian(value, std::bit_cast<uint32_t>(scalar.value));
    put_bytes(summary, 1, value);  // Summary.value
  }
  std::string event = begin_event(wall_seconds, step), bytes;
  put_bytes(event, 5, summary);  // Event.summary
  put_record(bytes, event);
  return append(bytes);
}

Status EventWriter::append(std::string_view bytes) {
  const Status written = write_all(fd_, path_, std::as_bytes(std::span<const char>(bytes)));
  if (!written.ok()) {
    // A torn record would hide all that follow it.
    if (::ftruncate(fd_, size_) != 0 || ::lseek(fd_, size_, SEEK_SET) != size_) {
      return error("{}; nor can it be cut back: {}", written.message(), std::strerror(errno));
    }
    return written;
  }
  size_ += static_cast<int64_t>(bytes.size());
  return Ok{};
}

}  // namespace invar
