// TrainRun: a whole training run: steps, evaluations, and in the run's folder the ledger, checkpoints and TensorBoard
// events. A run whose process ended at any moment goes on from its newest whole checkpoint, with the bits of a run that
// was never stopped.
//
//   <run.folder>/run.db            the ledger (rl/ledger.h)
//   <run.folder>/checkpoint-*/     train/checkpoint.h
//   <run.folder>/tensorboard/      rl/step_events.h
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rl/ledger.h"
#include "rl/rl_step.h"
#include "rl/step_events.h"
#include "train/checkpoint_model.h"

namespace invar {

// What a command has opened. All references must outlive the run.
struct TrainMachinery {
  RlMachinery rl;
  ThreadPool& pool;
  std::string fingerprint;             // of the model as it was opened
  std::vector<ModelFile> model_files;  // of it, for the checkpoints
};

// A step that is whole and recorded.
struct TrainStep {
  const RlStepResult& result;
  const RlEval& eval;   // by the weights that the step began with; of no prompts where none was due
  std::string weights;  // the digest after it
};

struct TrainHooks {
  RlStep::Hooks step;
  std::function<void(const TrainStep&)> stepped;
  std::function<void(const std::string&)>
      note;                              // a line for people: where the run goes on, what was passed over
  std::function<double()> wall_seconds;  // since 1970: for people and TensorBoard, in no hash
};

class TrainRun {
 public:
  // Without run.folder nothing is written. A folder that has a run: goes back to its newest whole checkpoint, or to the
  // start where there is none, and forgets what was recorded after it. Errors: those of RlStep::create, Ledger and
  // Checkpoint; a run of another configuration (check_resumable), model, numerics version or data; a ledger and a
  // checkpoint that are not of one history. The folder's run is then as it was.
  static Result<std::unique_ptr<TrainRun>> open(const TrainConfig& config, TrainMachinery machinery,
                                                TrainHooks hooks);

  // Makes the steps that are missing, then the last checkpoint. Errors: those of the steps, "interrupted" among them,
  // and then the last whole step is in a checkpoint; a full disk.
  Status run();

  int64_t done() const { return done_; }  // steps
  bool complete() const { return complete_; }
  // By the weights as they are; of no prompts where none was due.
  const RlEval& eval() const { return eval_; }

 private:
  TrainRun(const TrainConfig& config, TrainMachinery machinery, TrainHooks hooks);
  Status open_folder();
  Status go_on(const RunInfo& info);
  Status go_back_to(const std::vector<StepSummary>& steps, int64_t step);
  Status start();
  Status one_step();
  Status append(const StepRecord& record);
  Status save();
  // Ends the run in the middle of a step, with the last whole one in a checkpoint. Gives the error to return.
  Error abandon(Error why);
  RunInfo run_info() const;
  void note(const std::string& line) const;
  bool interrupted() const { return is_interrupted(hooks_.step.interrupted); }
  // Whether the weights after so many steps are evaluated.
  bool evaluates(int64_t steps) const;
  std::string optimizer_digest() const { return machinery_.rl.trainer.optimizer().digest(machinery_.pool); }

  TrainConfig config_;
  TrainMachinery machinery_;
  TrainHooks hooks_;
  std::unique_ptr<RlStep> rl_;
  std::optional<Ledger> ledger_;
  std::optional<StepEvents> events_;
  int64_t done_ = 0;
  bool started_ = false;   // the weights before the first step are evaluated and recorded
  bool complete_ = false;  // and its checkpoint is there
  int64_t saved_ = 0;      // the step of the newest checkpoint; 0: none
  // After the last whole step.
  std::string chain_, optimizer_;
  Json step_state_;
  RlEval eval_;
  std::map<int64_t, std::string> forgotten_;  // chain hashes of the steps that are made again
};

}  // namespace invar
