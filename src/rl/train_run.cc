#include "rl/train_run.h"

#include <ctime>
#include <filesystem>

#include "io/quote.h"
#include "numerics/version.h"
#include "rl/config_change.h"
#include "rl/run_checkpoint.h"
#include "rl/step_record.h"

namespace invar {
namespace {

// For people: nothing depends on it.
std::string utc_text(double seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// The score that was recorded with a step; of no prompts where none was.
Result<RlEval> recorded_eval(const Ledger& ledger, int64_t step) {
  INVAR_TRY(const std::vector<StepEval> evals, ledger.evals());
  for (const StepEval& eval : evals) {
    if (eval.step == step)
      return RlEval{.reward_mean = eval.result.score, .prompts = eval.result.prompts, .texts = {}};
  }
  return RlEval{};
}

}  // namespace

TrainRun::TrainRun(const TrainConfig& config, TrainMachinery machinery, TrainHooks hooks)
    : config_(config), machinery_(std::move(machinery)), hooks_(std::move(hooks)) {}

Result<std::unique_ptr<TrainRun>> TrainRun::open(const TrainConfig& config, TrainMachinery machinery,
                                                 TrainHooks hooks) {
  std::unique_ptr<TrainRun> run(new TrainRun(config, std::move(machinery), std::move(hooks)));
  INVAR_TRY(run->rl_, RlStep::create(config, run->machinery_.rl));
  run->step_state_ = run->rl_->state();
  if (!config.run.folder.empty()) INVAR_RETURN_IF_ERROR(run->open_folder());
  return run;
}

void TrainRun::note(const std::string& line) const {
  if (hooks_.note) hooks_.note(line);
}

bool TrainRun::evaluates(int64_t steps) const {
  return config_.run.eval_every > 0 && (steps % config_.run.eval_every == 0 || steps == config_.run.steps);
}

RunInfo TrainRun::run_info() const {
  return {.config = train_config_text(config_),
          .model_path = config_.model.path,
          .fingerprint = machinery_.fingerprint,
          .numerics_version = kNumericsVersion,
          .profile = config_.model.profile,
          .seed = static_cast<uint64_t>(config_.run.seed),
          .created_at = utc_text(hooks_.wall_seconds ? hooks_.wall_seconds() : 0)};
}

Status TrainRun::open_folder() {
  const std::string& folder = config_.run.folder;
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) return error("run.folder: cannot make {}: {}", quote(folder), code.message());
  // Locks the run: from here on nobody else writes into the folder.
  INVAR_TRY(Ledger ledger, Ledger::open(ledger_path(folder), LedgerMode::kWrite));
  ledger_.emplace(std::move(ledger));
  INVAR_TRY(const std::vector<RunInfo> starts, ledger_->starts());
  INVAR_TRY(const std::vector<int64_t> checkpoints, checkpoint_steps(folder));
  if (starts.empty() && !checkpoints.empty())
    return error(
        "run.folder: {} has checkpoints and no recorded run: restore its run.db, or choose another folder",
        quote(folder));
  if (!starts.empty()) INVAR_RETURN_IF_ERROR(go_on(starts.front()));
  if (complete_) return Ok{};
  INVAR_RETURN_IF_ERROR(ledger_->begin(run_info()));
  const double now = hooks_.wall_seconds ? hooks_.wall_seconds() : 0;
  INVAR_TRY(StepEvents events, StepEvents::create(folder, started_ ? done_ + 1 : 0, now));
  events_.emplace(std::move(events));
  return Ok{};
}

// Everything is checked before anything is forgotten.
Status TrainRun::go_on(const RunInfo& info) {
  INVAR_TRY(const TrainConfig began,
            parse_train_config(info.config, fmt::format("the configuration in {}", ledger_->path()), {}));
  INVAR_RETURN_IF_ERROR(check_resumable(began, config_));
  INVAR_RETURN_IF_ERROR(ledger_->check_run(run_info()));
  INVAR_TRY(const int64_t unfinished, remove_unfinished_checkpoints(config_.run.folder));
  if (unfinished > 0) note(fmt::format("removed {} unfinished checkpoints", unfinished));
  INVAR_TRY(const LatestCheckpoint latest, latest_checkpoint(config_.run.folder));
  for (const std::string& skipped : latest.skipped) note(skipped);
  INVAR_TRY(const std::vector<StepSummary> steps, ledger_->steps());
  if (!latest.checkpoint) {
    if (!steps.empty())
      note(fmt::format("no whole checkpoint: starts again from the model; {} recorded steps are made again",
                       steps.back().step));
    return go_back_to(steps, -1);
  }
  INVAR_TRY(const StepSummary recorded, recorded_step(*latest.checkpoint, steps, ledger_->path()));
  INVAR_RETURN_IF_ERROR(
      restore_run(*latest.checkpoint, config_, recorded, machinery_.rl, machinery_.pool, *rl_));
  INVAR_RETURN_IF_ERROR(go_back_to(steps, recorded.step));
  started_ = true;
  done_ = saved_ = recorded.step;
  chain_ = recorded.chain;
  optimizer_ = recorded.hashes.optimizer;
  step_state_ = rl_->state();
  INVAR_TRY(eval_, recorded_eval(*ledger_, done_));
  complete_ = done_ >= config_.run.steps;
  if (!complete_) note(fmt::format("goes on after step {} from {}", done_, latest.checkpoint->path()));
  return Ok{};
}

Status TrainRun::go_back_to(const std::vector<StepSummary>& steps, int64_t step) {
  for (const StepSummary& recorded : steps) {
    if (recorded.step > step) forgotten_[recorded.step] = recorded.chain;
  }
  if (forgotten_.empty()) return Ok{};
  return ledger_->forget_after(step);
}

Status TrainRun::run() {
  if (complete_) return Ok{};
  if (!started_) INVAR_RETURN_IF_ERROR(start());
  while (done_ < config_.run.steps) {
    if (interrupted()) return abandon(error("interrupted"));
    INVAR_RETURN_IF_ERROR(one_step());
  }
  INVAR_RETURN_IF_ERROR(save());
  complete_ = true;
  return Ok{};
}

// The ledger's step 0: the model before training.
Status TrainRun::start() {
  if (evaluates(0)) {
    INVAR_TRY(eval_, rl_->evaluate(hooks_.step));
  }
  optimizer_ = ledger_ ? optimizer_digest() : "";
  INVAR_RETURN_IF_ERROR(append(start_record(eval_, machinery_.rl.updater.digest().combined(), optimizer_)));
  started_ = true;
  return Ok{};
}

Status TrainRun::one_step() {
  Result<RlStepResult> made = rl_->run(done_, hooks_.step);
  if (!made.ok()) return abandon(std::move(made).take_error());
  const RlStepResult result = std::move(*made);
  // The weights have moved: what is left of the step is not interrupted, so that it can be kept.
  const RlEval before = std::exchange(eval_, {});
  if (evaluates(done_ + 1)) {
    RlStep::Hooks hooks = hooks_.step;
    hooks.interrupted = {};
    INVAR_TRY(eval_, rl_->evaluate(hooks));
  }
  const std::string weights = machinery_.rl.updater.digest().combined();
  if (ledger_) optimizer_ = optimizer_digest();
  INVAR_RETURN_IF_ERROR(append(step_record(result, eval_, weights, optimizer_)));
  ++done_;
  step_state_ = rl_->state();
  if (hooks_.stepped) hooks_.stepped({.result = result, .eval = before, .weights = weights});
  const int64_t every = config_.checkpoint.every;
  return every > 0 && done_ % every == 0 ? save() : Ok{};
}

Status TrainRun::append(const StepRecord& record) {
  if (!ledger_) return Ok{};
  INVAR_TRY(chain_, ledger_->append(record));
  if (const auto before = forgotten_.find(record.step);
      before != forgotten_.end() && before->second != chain_) {
    note(fmt::format(
        "step {} is not what it was before the run went back to a checkpoint: its chain hash was "
        "{:.16}..., now it is {:.16}...; look for a reward that is not always the same, or another machine "
        "or program",
        record.step, before->second, chain_));
    forgotten_.clear();  // all later ones differ, too
  }
  return events_->add(record, hooks_.wall_seconds ? hooks_.wall_seconds() : 0);
}

Status TrainRun::save() {
  if (!ledger_ || saved_ == done_) return Ok{};
  INVAR_TRY(const SavedCheckpoint saved,
            save_run(config_.run.folder, config_, *rl_, machinery_.rl.trainer, machinery_.model_files,
                     {.step = done_, .chain = chain_, .step_state = step_state_}));
  saved_ = done_;
  return prune_checkpoints(
      config_.run.folder, saved_,
      {.keep_last = config_.checkpoint.keep_last, .keep_every = config_.checkpoint.keep_every});
}

Error TrainRun::abandon(Error why) {
  // A program of rewards dies of the same Ctrl-C.
  if (interrupted()) why = error("interrupted");
  if (!ledger_ || saved_ == done_) return why;
  if (optimizer_digest() != optimizer_)
    return error("{}; in the middle of an update: the run goes on from its newest checkpoint", why.message);
  const Status saved = save();
  return saved.ok() ? why : error("{}; then: {}", why.message, saved.message());
}

}  // namespace invar
