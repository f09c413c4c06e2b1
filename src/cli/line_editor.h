// LineEditor: lines typed at a terminal, with history and arrow keys, and Ctrl-C as in a shell.
#pragma once

#include <string>

namespace invar {

enum class LineEvent {
  kLine,       // Enter
  kInterrupt,  // Ctrl-C
  kEnd,        // Ctrl-D on an empty line, or the terminal is gone
};

struct EditedLine {
  LineEvent event = LineEvent::kEnd;
  std::string text;  // of kLine; of kInterrupt what stood in the line
};

// While it lives, SIGINT does not end the process: read() returns it, and outside of read() it is dropped (Interrupt of
// cli/terminal.h takes it first). One at a time.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Shows the prompt and waits for one of the events. Lines that are not empty go to the history.
  EditedLine read(const char* prompt);

 private:
  void (*previous_handler_)(int);
};

}  // namespace invar
