// A child process that is talked to in lines, with a time limit. It leads a process group of its own, which dies with
// it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/interrupted.h"
#include "base/result.h"

namespace invar {

class LineProcess {
 public:
  // Errors: it cannot be started. PATH is searched; its standard error is ours.
  static Result<LineProcess> start(const std::vector<std::string>& command);

  LineProcess() = default;
  LineProcess(LineProcess&& other) noexcept { *this = std::move(other); }
  LineProcess& operator=(LineProcess&& other) noexcept;
  ~LineProcess() { stop(); }

  bool running() const { return pid_ > 0; }

  enum class Outcome { kLine, kEnded, kSilent, kTooLong, kInterrupted };
  struct Exchange {
    Outcome outcome;
    std::string line;  // of kLine, without its end; of kTooLong its beginning
  };

  struct Limits {
    int64_t timeout_s;
    int64_t line_bytes_max;
    Interrupted interrupted;
  };
  // Writes `text` and reads one line, both within the limits. After any other outcome than kLine call kill().
  Exchange exchange(std::string_view text, const Limits& limits);

  // Ends the group at once. How it ended, in words: "exited with status 3", "was killed by signal 9".
  std::string kill();
  // The same without waiting a moment for a status of its own.
  void kill_now();

  // Closes its input and gives it a second to end by itself.
  void stop();

 private:
  std::string reap();
  void close_files();

  pid_t pid_ = -1;
  int in_ = -1;   // what we write to
  int out_ = -1;  // what we read from
  std::string buffer_;
};

}  // namespace invar
