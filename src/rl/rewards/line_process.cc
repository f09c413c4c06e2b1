#include "rl/rewards/line_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "io/quote.h"

namespace invar {
namespace {

// A write to a program that is gone raises SIGPIPE in this thread: held back and taken away here, for libraries must
// not set the handlers of the whole process.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const timespec now{};
    if (!was_pending_)
      while (sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
  bool was_pending_;
};

struct Pipe {
  int read = -1, write = -1;
  ~Pipe() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
};

// In the child: its own process group, no blocked signals, the usual answer to SIGPIPE.
int spawn(const std::vector<std::string>& command, int in, int out, pid_t& pid) {
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, pipe;
  sigemptyset(&none);
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &pipe);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int code = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

}  // namespace

Result<LineProcess> LineProcess::start(const std::vector<std::string>& command) {
  INVAR_CHECK(!command.empty(), "no command");
  Pipe in, out;  // seen from the child
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return error("cannot make a pipe: {}", std::strerror(errno));
  in.read = ends[0];
  in.write = ends[1];
  if (::pipe2(ends, O_CLOEXEC) != 0) return error("cannot make a pipe: {}", std::strerror(errno));
  out.read = ends[0];
  out.write = ends[1];
  LineProcess process;
  const int code = spawn(command, in.read, out.write, process.pid_);
  if (code != 0) {
    process.pid_ = -1;
    return error("cannot start {}: {}", quote(command[0]), std::strerror(code));
  }
  process.in_ = std::exchange(in.write, -1);
  process.out_ = std::exchange(out.read, -1);
  ::fcntl(process.in_, F_SETFL, O_NONBLOCK);
  ::fcntl(process.out_, F_SETFL, O_NONBLOCK);
  return process;
}

LineProcess& LineProcess::operator=(LineProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(in_, other.in_);
  std::swap(out_, other.out_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

LineProcess::Exchange LineProcess::exchange(std::string_view text, const Limits& limits) {
  const NoSigpipe guard;
  const double deadline = monotonic_seconds() + static_cast<double>(limits.timeout_s);
  const auto limit = static_cast<std::size_t>(limits.line_bytes_max);
  while (true) {
    const std::size_t end = buffer_.find('\n');
    if (std::min(end, buffer_.size()) > limit) return {Outcome::kTooLong, buffer_.substr(0, limit)};
    // A line before all is written would be no answer to it; it is read later, and its id tells.
    if (end != std::string::npos && text.empty()) {
      Exchange done{Outcome::kLine, buffer_.substr(0, end)};
      buffer_.erase(0, end + 1);
      return done;
    }
    const double left = deadline - monotonic_seconds();
    if (left <= 0) return {Outcome::kSilent, {}};
    if (is_interrupted(limits.interrupted)) return {Outcome::kInterrupted, {}};
    pollfd files[2] = {{.fd = out_, .events = POLLIN, .revents = 0},
                       {.fd = text.empty() ? -1 : in_, .events = POLLOUT, .revents = 0}};
    const double pause_ms = std::min(left * 1000, static_cast<double>(kInterruptedEveryMs));
    if (::poll(files, 2, static_cast<int>(pause_ms) + 1) < 0 && errno != EINTR)
      return {Outcome::kEnded, {}};
    if (files[1].revents != 0) {
      const ssize_t n = ::write(in_, text.data(), text.size());
      if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN && errno != EINTR) return {Outcome::kEnded, {}};
    }
    if (files[0].revents != 0) {
      char block[1 << 16];
      const ssize_t n = ::read(out_, block, sizeof block);
      if (n > 0) buffer_.append(block, static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return {Outcome::kEnded, {}};
    }
  }
}

void LineProcess::close_files() {
  if (in_ >= 0) ::close(std::exchange(in_, -1));
  if (out_ >= 0) ::close(std::exchange(out_, -1));
  buffer_.clear();
}

std::string LineProcess::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
  pid_ = -1;
  if (WIFEXITED(status)) return fmt::format("exited with status {}", WEXITSTATUS(status));
  return fmt::format("was killed by signal {}", WTERMSIG(status));
}

std::string LineProcess::kill() {
  if (pid_ <= 0) return "is not running";
  // One that closed its output is given a moment to end, so that its own status is what is reported.
  close_files();
  for (int i = 0; i < 20; ++i) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid_)
      break;
    ::poll(nullptr, 0, 5);
  }
  ::kill(-pid_, SIGKILL);
  return reap();
}

void LineProcess::kill_now() {
  if (pid_ <= 0) return;
  close_files();
  ::kill(-pid_, SIGKILL);
  reap();
}

void LineProcess::stop() {
  if (pid_ <= 0) return;
  if (in_ >= 0) ::close(std::exchange(in_, -1));
  const double deadline = monotonic_seconds() + 1.0;
  char block[4096];
  // Its output ends when it does; what it still says is not wanted.
  for (double left = 1.0; left > 0; left = deadline - monotonic_seconds()) {
    pollfd file{.fd = out_, .events = POLLIN, .revents = 0};
    if (::poll(&file, 1, static_cast<int>(left * 1000) + 1) < 0 && errno != EINTR) break;
    if (file.revents == 0) continue;
    const ssize_t n = ::read(out_, block, sizeof block);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
  }
  kill();
}

}  // namespace invar
