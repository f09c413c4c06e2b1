#include "cli/terminal.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

namespace invar {
namespace {

std::atomic<int> interrupted = 0;  // the signal
static_assert(std::atomic<int>::is_always_lock_free);  // a signal handler writes it
void (*previous_handler)(int) = SIG_DFL;       // of SIGINT
void (*previous_term_handler)(int) = SIG_DFL;

void on_interrupt(int signal) {
  if (interrupted) std::_Exit(128 + signal);
  interrupted = signal;
}

int output_errno = 0;  // why standard output failed first

bool flush_stdout() {
  errno = 0;
  if (std::fflush(stdout) == 0) return true;
  if (output_errno == 0) output_errno = errno;
  return false;
}

bool color() { return stderr_is_terminal() && std::getenv("NO_COLOR") == nullptr; }

}  // namespace

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

int fail(std::string_view message) {
  std::string line(message);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  flush_stdout();
  std::fprintf(stderr, color() ? "\033[31minvar:\033[0m %s\n" : "invar: %s\n", line.c_str());
  return 1;
}

bool put(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && flush_stdout();
}

int finish_output(int exit_code) {
  if (flush_stdout() && std::ferror(stdout) == 0) return exit_code;
  return fail(fmt::format("cannot write to standard output: {}",
                          std::strerror(output_errno != 0 ? output_errno : EIO)));
}

void note(std::string_view message) {
  const char* format = color() ? "\033[2m%.*s\033[0m\n" : "%.*s\n";
  std::fprintf(stderr, format, static_cast<int>(message.size()), message.data());
}

std::string minutes_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

void StatusLine::show(std::string_view text) {
  if (!stderr_is_terminal()) return;
  fmt::print(stderr, "\r\033[K{}", text);
  std::fflush(stderr);
  shown_ = true;
}

void StatusLine::clear() {
  if (shown_) fmt::print(stderr, "\r\033[K");
  shown_ = false;
}

Interrupt::Interrupt(Signals signals) : signals_(signals) {
  interrupted = 0;
  previous_handler = std::signal(SIGINT, on_interrupt);
  if (signals_ == kOrTerm) previous_term_handler = std::signal(SIGTERM, on_interrupt);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, previous_handler);
  if (signals_ == kOrTerm) std::signal(SIGTERM, previous_term_handler);
}

bool Interrupt::raised() { return interrupted != 0; }
int Interrupt::exit_code() { return 128 + interrupted; }

}  // namespace invar
