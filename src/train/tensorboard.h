// TensorBoard event files with scalars.
//
// Source: TensorFlow's event.proto and summary.proto (the messages), record_writer.h (the records: length, masked
// CRC-32C of the length, message, masked CRC-32C of the message; little endian).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace invar {

struct Scalar {
  std::string_view tag;  // "reward/mean"; UTF-8
  float value;
};

class EventWriter {
 public:
  // Begins a new file events.out.tfevents.<seconds>.<number>.invar in `folder`; it sorts behind those there. Everything
  // from `first_step` on that older files hold is void from now on: TensorBoard shows a run that was killed and went
  // on from a checkpoint as one line. wall_seconds: since 1970, for TensorBoard's relative times; no bit of a
  // result depends on it. Errors: the folder is missing or not writable; disk full.
  static Result<EventWriter> create(const std::string& folder, int64_t first_step, double wall_seconds);

  EventWriter(EventWriter&& other) noexcept;
  EventWriter& operator=(EventWriter&&) = delete;
  ~EventWriter();

  // Appends one step's scalars in one write: a reader, or a kill, sees all of them or none, up to a torn end of the
  // file, which readers skip. Errors: disk full, I/O error; the file is then cut back to the steps before.
  Status add(int64_t step, double wall_seconds, std::span<const Scalar> scalars);

  const std::string& path() const { return path_; }

 private:
  EventWriter(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status append(std::string_view bytes);

  std::string path_;
  int fd_;
  int64_t size_ = 0;
};

// CRC-32C (Castagnoli), as iSCSI has it: RFC 3720, appendix B.4.
uint32_t crc32c(std::string_view bytes);

}  // namespace invar
