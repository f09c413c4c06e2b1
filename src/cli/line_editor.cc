#include "cli/line_editor.h"

#include <editline/readline.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace invar {
namespace {

// SIGINT writes a byte into a pipe: waiting for a key and for Ctrl-C is one wait, whichever thread has the signal.
int interrupts[2] = {-1, -1};

void wake_editor(int) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = ::write(interrupts[1], "", 1);
  errno = saved;
}

// Forgets what came so far; true when something had.
bool take_interrupts() {
  bool any = false;
  char byte;
  while (::read(interrupts[0], &byte, 1) == 1) any = true;
  return any;
}

// True when there is a key, or the end of the input, to be read; false after SIGINT.
bool wait_for_key() {
  pollfd sources[] = {{.fd = interrupts[0], .events = POLLIN, .revents = 0},
                      {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
  while (true) {
    if (::poll(sources, 2, -1) < 0 && errno != EINTR) return true;
    if (take_interrupts()) return false;
    if (sources[1].revents != 0) return true;
  }
}

EditedLine line;  // that read() waits for; libedit's callback has no argument of ours
bool done = false;

void take_line(char* typed) {
  done = true;
  line.event = typed == nullptr ? LineEvent::kEnd : LineEvent::kLine;
  line.text = typed == nullptr ? "" : typed;
  std::free(typed);
  rl_callback_handler_remove();  // or libedit would show the prompt of the next line at once
}

}  // namespace

LineEditor::LineEditor() {
  std::setlocale(LC_CTYPE,
                 "C.UTF-8");  // libedit takes characters apart by the locale, and messages are UTF-8
  // Without a pipe (no descriptor left) Ctrl-C goes on ending the process.
  const bool have_pipe = ::pipe2(interrupts, O_CLOEXEC | O_NONBLOCK) == 0;
  previous_handler_ = std::signal(SIGINT, have_pipe ? wake_editor : SIG_DFL);
}

LineEditor::~LineEditor() {
  std::signal(SIGINT, previous_handler_);
  for (int& end : interrupts) ::close(std::exchange(end, -1));
}

EditedLine LineEditor::read(const char* prompt) {
  take_interrupts();
  done = false;
  line = {};
  std::string typed;
  rl_callback_handler_install(prompt, take_line);
  while (!done) {
    if (!wait_for_key()) {
      rl_callback_handler_remove();
      std::fputs("^C\n", stdout);
      std::fflush(stdout);
      return {LineEvent::kInterrupt, std::move(typed)};
    }
    rl_callback_read_char();
    if (!done) typed.assign(rl_line_buffer, static_cast<std::size_t>(rl_end));
  }
  if (!line.text.empty()) add_history(line.text.c_str());
  return std::move(line);
}

}  // namespace invar
