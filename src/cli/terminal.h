// Terminal: what every command says in the same way.
#pragma once

#include <string>
#include <string_view>

namespace invar {

// "invar: <message>" on standard error, in red on a terminal; returns 1, the exit code of a refusal. Control bytes of
// the message (a file name may have some) become spaces: an error is one line.
int fail(std::string_view message);

// A line of progress or information on standard error, dim on a terminal.
void note(std::string_view message);

// Writes to standard output at once; false when it takes no more (a full disk, a closed pipe).
[[nodiscard]] bool put(std::string_view text);

// What is still in the buffer of standard output; the exit code, or fail() when some of the output was lost.
int finish_output(int exit_code);

// "4:07" of seconds.
std::string minutes_text(double seconds);

// One line on standard error that is written over; nothing where that is no terminal.
class StatusLine {
 public:
  void show(std::string_view text);
  void clear();

 private:
  bool shown_ = false;
};

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

// While it lives, SIGINT raises a flag instead of ending the process, and so does SIGTERM with kOrTerm, for what has
// something to save; the second signal ends the process at once.
class Interrupt {
 public:
  enum Signals { kOnlyInt, kOrTerm };
  explicit Interrupt(Signals signals = kOnlyInt);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  // Since the last Interrupt was made.
  static bool raised();
  static int exit_code();  // raised(): a shell's for the signal, 130 or 143

 private:
  Signals signals_;
};

}  // namespace invar
