// A run's training state as a checkpoint, and back: the trainer's numbers, the weights of model and engine, the step's
// state, and which history they are the end of.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rl/ledger.h"
#include "rl/rl_step.h"
#include "train/checkpoint.h"

namespace invar {

// After how many steps, and what goes with the arrays.
struct RunPosition {
  int64_t step = 0;   // of the ledger: steps made
  std::string chain;  // the ledger's hash after it
  Json step_state;    // RlStep::state() after it
};

// Writes <folder>/checkpoint-<step> of the trainer as it is. Errors: those of save_checkpoint.
Result<SavedCheckpoint> save_run(const std::string& folder, const TrainConfig& config, const RlStep& rl,
                                 PolicyTrainer& trainer, std::span<const ModelFile> model_files,
                                 const RunPosition& position);

// Puts a checkpoint into trainer, model, engine and step. `recorded`: the ledger's row of its step. Errors: another
// numerics version, profile, data, other weights than the model has, or numbers whose hashes are not those recorded;
// the run is then unusable.
Status restore_run(const Checkpoint& checkpoint, const TrainConfig& config, const StepSummary& recorded,
                   const RlMachinery& machinery, ThreadPool& pool, RlStep& rl);

// The ledger's row of a checkpoint's step. Errors: there is none, or with another chain hash: folder and ledger are not
// of one history.
Result<StepSummary> recorded_step(const Checkpoint& checkpoint, const std::vector<StepSummary>& steps,
                                  const std::string& ledger_path);

}  // namespace invar
