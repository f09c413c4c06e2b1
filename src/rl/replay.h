// Replay: a recorded step made again, from the run's checkpoints or the model it began with, and compared bit for bit.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "rl/run_diff.h"
#include "rl/train_run.h"

namespace invar {

struct Replay {
  int64_t step = 0;  // that was asked for
  int64_t first =
      0;  // the first one that was made: the steps between it and the checkpoint before it are made, too
  std::string from;  // the checkpoint's folder; empty: the model
  int64_t samples = 0;
  StepHashes hashes;  // as made now
  std::string chain;
  // A: as recorded, B: as made now. Of the first step that differs, at most `step`; nothing when all are equal.
  std::optional<StepDifference> difference;
};

// Makes step `step` of the run in `folder` again, whose ledger is `ledger`, with all steps since the newest whole
// checkpoint before it. `config`: the recorded one, but for keys that change no bit (check_replayable). Nothing is
// written. Errors: no such step, another model, numerics version or data than recorded; those of the steps.
Result<Replay> replay_step(const Ledger& ledger, const std::string& folder, int64_t step,
                           const TrainConfig& config, const TrainMachinery& machinery,
                           const TrainHooks& hooks);

}  // namespace invar
