#include "rl/replay.h"

#include "numerics/version.h"
#include "rl/ledger_hashes.h"
#include "rl/run_checkpoint.h"
#include "rl/step_record.h"

namespace invar {
namespace {

struct Recorded {
  std::vector<StepSummary> steps;
  std::vector<StepEval> evals;

  bool has_eval(int64_t step) const {
    for (const StepEval& eval : evals) {
      if (eval.step == step) return true;
    }
    return false;
  }
};

class Replayer {
 public:
  Replayer(const Ledger& ledger, const TrainConfig& config, const TrainMachinery& machinery,
           const TrainHooks& hooks)
      : ledger_(ledger), config_(config), machinery_(machinery), hooks_(hooks) {}

  Result<Replay> run(const std::string& folder, int64_t step) {
    INVAR_TRY(recorded_.steps, ledger_.steps());
    INVAR_TRY(recorded_.evals, ledger_.evals());
    if (recorded_.steps.empty() || step < 0 || step > recorded_.steps.back().step)
      return error(
          "--step: expected 0 to {}, found {}",
          recorded_.steps.empty() ? "the last step recorded" : std::to_string(recorded_.steps.back().step),
          step);
    if (recorded_.steps.front().step != 0)
      return error("{}: expected the steps from 0 on, found those from {} on", ledger_.path(),
                   recorded_.steps.front().step);
    INVAR_TRY(rl_, RlStep::create(config_, machinery_.rl));
    Replay replay{
        .step = step, .first = 0, .from = {}, .samples = 0, .hashes = {}, .chain = {}, .difference = {}};
    INVAR_TRY(const int64_t at, go_to_checkpoint(folder, step, replay.from));
    replay.first = replay.from.empty() ? 0 : at + 1;
    for (int64_t next = replay.first; next <= step && !replay.difference; ++next)
      INVAR_RETURN_IF_ERROR(make_step(next, replay));
    return replay;
  }

 private:
  // The step of the newest checkpoint before `step` that is whole and of this run, put into model and trainer.
  Result<int64_t> go_to_checkpoint(const std::string& folder, int64_t step, std::string& from) {
    INVAR_TRY(const std::vector<int64_t> checkpoints, checkpoint_steps(folder));
    for (auto at = checkpoints.rbegin(); at != checkpoints.rend(); ++at) {
      if (*at >= step) continue;
      const Result<Checkpoint> checkpoint = Checkpoint::open(checkpoint_path(folder, *at));
      if (!checkpoint.ok()) {
        pass_over(checkpoint.message());
        continue;
      }
      const Result<StepSummary> recorded = recorded_step(*checkpoint, recorded_.steps, ledger_.path());
      if (!recorded.ok()) {
        pass_over(recorded.message());
        continue;
      }
      INVAR_RETURN_IF_ERROR(
          restore_run(*checkpoint, config_, *recorded, machinery_.rl, machinery_.pool, *rl_));
      from = checkpoint->path();
      return *at;
    }
    return 0;
  }

  void pass_over(const std::string& why) const {
    if (hooks_.note) hooks_.note("skipped a checkpoint: " + why);
  }

  Status make_step(int64_t step, Replay& replay) {
    RlStepResult result{.step = -1};
    if (step > 0) {
      INVAR_TRY(result, rl_->run(step - 1, hooks_.step));
    }
    RlEval eval;
    if (recorded_.has_eval(step)) {
      INVAR_TRY(eval, rl_->evaluate(hooks_.step));
    }
    const std::string weights = machinery_.rl.updater.digest().combined();
    const std::string optimizer = machinery_.rl.trainer.optimizer().digest(machinery_.pool);
    StepRecord record =
        step == 0 ? start_record(eval, weights, optimizer) : step_record(result, eval, weights, optimizer);
    StepContents made{
        .hashes = record.hashes, .rollouts = std::move(record.rollouts), .values = record.metrics};
    made.hashes.rollouts = hash_rollouts(made.rollouts);
    made.hashes.rewards = hash_rewards(made.rollouts);
    for (const EvalResult& score : record.evals) made.values.emplace_back(score_name(score), score.score);

    const auto index = static_cast<std::size_t>(step);
    INVAR_TRY(const StepContents recorded, read_step(ledger_, recorded_.steps[index], recorded_.evals));
    replay.samples = std::ssize(made.rollouts);
    replay.hashes = made.hashes;
    replay.chain =
        chain_hash(step == 0 ? chain_start() : recorded_.steps[index - 1].chain, step, made.hashes);
    replay.difference = diff_steps(step, recorded, made);
    return Ok{};
  }

  const Ledger& ledger_;
  const TrainConfig& config_;
  const TrainMachinery& machinery_;
  const TrainHooks& hooks_;
  Recorded recorded_;
  std::unique_ptr<RlStep> rl_;
};

}  // namespace

Result<Replay> replay_step(const Ledger& ledger, const std::string& folder, int64_t step,
                           const TrainConfig& config, const TrainMachinery& machinery,
                           const TrainHooks& hooks) {
  INVAR_RETURN_IF_ERROR(ledger.check_run({.config = {},
                                          .model_path = {},
                                          .fingerprint = machinery.fingerprint,
                                          .numerics_version = kNumericsVersion,
                                          .profile = config.model.profile,
                                          .seed = static_cast<uint64_t>(config.run.seed),
                                          .created_at = {},
                                          .first_step = 0}));
  return Replayer(ledger, config, machinery, hooks).run(folder, step);
}

}  // namespace invar
