#include "cli/terminal.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace invar {
namespace {

volatile std::sig_atomic_t interrupted = 0;
void (*previous_handler)(int) = SIG_DFL;

void on_interrupt(int) {
  if (interrupted) std::_Exit(130);
  interrupted = 1;
}

bool color() { return stderr_is_terminal() && std::getenv("NO_COLOR") == nullptr; }

}  // namespace

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

int fail(std::string_view message) {
  const char* format = color() ? "\033[31minvar:\033[0m %.*s\n" : "invar: %.*s\n";
  std::fflush(stdout);
  std::fprintf(stderr, format, static_cast<int>(message.size()), message.data());
  return 1;
}

void note(std::string_view message) {
  const char* format = color() ? "\033[2m%.*s\033[0m\n" : "%.*s\n";
  std::fprintf(stderr, format, static_cast<int>(message.size()), message.data());
}

Interrupt::Interrupt() {
  interrupted = 0;
  previous_handler = std::signal(SIGINT, on_interrupt);
}

Interrupt::~Interrupt() { std::signal(SIGINT, previous_handler); }

bool Interrupt::raised() { return interrupted != 0; }

}  // namespace invar
