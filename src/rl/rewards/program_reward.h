// Rewards from a program of the user's: JSON lines over its standard input and output.
//
//   to it:    {"id": 7, "prompt": "...", "response": "...", "label": ..., "metadata": {...}}
//   from it:  {"id": 7, "reward": 1.0}
//
// One line each, the program flushes after its own; its standard error is ours. It may keep state only for speed: how
// requests are divided between several of them, and restarts, must not change a reward.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/interrupted.h"
#include "base/result.h"
#include "rl/rewards/reward_input.h"

namespace invar {

class ProgramReward {
 public:
  struct Options {
    std::vector<std::string> command;  // program and arguments; PATH is searched, no shell
    int64_t workers = 1;               // copies of it; 1 .. 64
    int64_t timeout_s = 60;            // of one answer; 1 .. 86400
    int64_t attempts_max = 3;          // for one sample, before it is an error; 1 .. 100
    int64_t line_bytes_max = 1 << 20;  // of an answer
  };

  // Starts the workers, so that a wrong path shows at once. Errors: options out of range, a program that cannot
  // start.
  static Result<ProgramReward> start(const Options& options);
  ProgramReward(ProgramReward&&) noexcept;
  ProgramReward& operator=(ProgramReward&&) noexcept;
  ~ProgramReward();  // closes their input; who is not gone a second later is killed

  // The reward of every input, by index. A worker that dies or is silent for timeout_s is killed, started again and
  // asked again; time never decides a reward, only whether there is one. Errors, of the first input that has any and
  // with its index: no answer in attempts_max attempts (with how the last one ended), a line that is no answer (never
  // asked again). "interrupted": every worker was killed; the next call starts them again.
  Result<std::vector<float>> score(std::span<const RewardInput> inputs, const Interrupted& interrupted = {});

 private:
  class Worker;
  ProgramReward();

  Options options_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace invar
