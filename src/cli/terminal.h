// Terminal: what every command says in the same way.
#pragma once

#include <string>
#include <string_view>

namespace invar {

// "invar: <message>" on standard error, in red on a terminal; returns 1, the exit code of a refusal.
int fail(std::string_view message);

// A line of progress or information on standard error, dim on a terminal.
void note(std::string_view message);

bool stdout_is_terminal();
bool stderr_is_terminal();

// An abort flag that SIGINT raises; the second SIGINT ends the process at once.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  static bool raised();
};

}  // namespace invar
