// The numbers of a run's steps for TensorBoard: what the ledger records, as event files beside it.
#pragma once

#include <string>

#include "rl/ledger_record.h"
#include "train/tensorboard.h"

namespace invar {

class StepEvents {
 public:
  // A new file in <run_folder>/tensorboard, which is made if it is missing. What older files say of steps from
  // `first_step` on is void. Errors: those of EventWriter; the folder cannot be made.
  static Result<StepEvents> create(const std::string& run_folder, int64_t first_step, double wall_seconds);

  // Metrics as train/<name>, scores as eval/<name>, timings as time/<name>. Errors: those of EventWriter.
  Status add(const StepRecord& record, double wall_seconds);

 private:
  explicit StepEvents(EventWriter writer) : writer_(std::move(writer)) {}
  EventWriter writer_;
};

}  // namespace invar
