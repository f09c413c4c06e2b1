// Scope guards of the evaluator: what they change is put back on every way out, errors included.
#pragma once

#include "text/jinja/interpreter.h"

namespace invar::jinja {

class Interpreter::Depth {
 public:
  explicit Depth(Interpreter& interpreter) : interpreter_(interpreter) {
    const int limit = interpreter_.budget_.limits().call_depth_max;
    if (interpreter_.depth_ >= limit)
      fail("limit call_depth_max: macros and expressions nest deeper than {}", limit);
    ++interpreter_.depth_;
  }
  ~Depth() { --interpreter_.depth_; }

 private:
  Interpreter& interpreter_;
};

class Interpreter::Inner {
 public:
  explicit Inner(Interpreter& interpreter) : Inner(interpreter, interpreter.scope_) {}
  Inner(Interpreter& interpreter, Scope* parent)
      : interpreter_(interpreter), before_(interpreter.scope_), scope_(std::make_unique<Scope>()) {
    scope_->parent = parent;
    interpreter_.scope_ = scope_.get();
  }
  ~Inner() {
    interpreter_.scope_ = before_;
    if (scope_->captured) interpreter_.kept_scopes_.push_back(std::move(scope_));
  }

 private:
  Interpreter& interpreter_;
  Scope* before_;
  std::unique_ptr<Scope> scope_;
};

class Interpreter::Capture {
 public:
  Capture(Interpreter& interpreter, std::string& text)
      : interpreter_(interpreter), before_(interpreter.sink_) {
    interpreter_.sink_ = &text;
    ++interpreter_.captures_;
  }
  ~Capture() {
    interpreter_.sink_ = before_;
    --interpreter_.captures_;
  }

 private:
  Interpreter& interpreter_;
  std::string* before_;
};

// A loop object may outlive its for statement; what refers to the statement may not, nor may it hold itself.
class LoopEnd {
 public:
  explicit LoopEnd(Loop& loop) : loop_(loop) {}
  ~LoopEnd() {
    loop_.accept = nullptr;
    loop_.last_changed = Value();
  }

 private:
  Loop& loop_;
};

}  // namespace invar::jinja
