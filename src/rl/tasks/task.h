// Built-in tasks: endless seeded problems with known answers, for demos, tests and first experiments.
//
// Problem i of a task is a pure function of (name, difficulty, seed, split, i). Whether a problem may be trained on
// follows from its text alone, whatever the seed: about one in eight is held out, and no prompt is on both sides.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "rl/prompt.h"
#include "rl/tasks/draws.h"

namespace invar {

enum class Split { kTrain, kHeldOut };

struct Problem {
  std::string question;
  std::string label;
  Json metadata = Json::object();
};

struct TaskKind {
  std::string_view name;
  int64_t difficulty_max;   // from 1
  std::string_view reward;  // the built-in reward that scores it (rl/rewards/reward.h)
  std::string_view about;   // one line
  Problem (*draw)(Draws& draws, int64_t difficulty);
};

// All of them, by name.
std::span<const TaskKind> task_kinds();

class Task {
 public:
  struct Options {
    std::string name;
    int64_t difficulty = 1;
    uint64_t seed = 0;
  };

  // Errors: no such task, a difficulty it does not have.
  static Result<Task> make(const Options& options);

  // A chat of one user message; metadata has "task", "difficulty" and what the reward needs.
  Prompt sample(Split split, uint64_t index) const;

  const TaskKind& kind() const { return *kind_; }

 private:
  Task(const TaskKind& kind, const Options& options) : kind_(&kind), options_(options) {}

  const TaskKind* kind_;
  Options options_;
};

// True for the problems that are never trained on.
bool is_held_out(std::string_view question);

}  // namespace invar
