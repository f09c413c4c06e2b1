#include "rl/run_checkpoint.h"

#include "io/quote.h"
#include "rl/publish_weights.h"

namespace invar {
namespace {

// The keys of CheckpointState::cursor.
constexpr const char* kData = "data";  // RlStep::data_digest()
constexpr const char* kStep = "step";  // RlStep::state()

std::vector<ParameterSlice> parameter_slices(const ParameterLayout& layout) {
  std::vector<ParameterSlice> slices;
  for (const ParameterLayout::Named& named : layout.named())
    slices.push_back({named.place.spec.name, named.place.spec.shape, named.begin});
  return slices;
}

Status check_state(const Checkpoint& checkpoint, const TrainConfig& config, const RlStep& rl,
                   const JsonObject& cursor) {
  const CheckpointState& state = checkpoint.state();
  if (state.numerics_version != kNumericsVersion)
    return error(
        "{}: expected a checkpoint of numerics version {}, found {}; go on with the program that wrote it",
        checkpoint.path(), kNumericsVersion, state.numerics_version);
  if (state.profile != config.model.profile)
    return error("{}: expected a checkpoint of profile {}, found {}", checkpoint.path(), config.model.profile,
                 quote(state.profile));
  INVAR_TRY(const std::string data, cursor.require_string(kData));
  if (data != rl.data_digest())
    return error(
        "data: this run began with the prompts {}, found {}; go on with the same, or choose another "
        "run.folder",
        quote(data), quote(rl.data_digest()));
  return Ok{};
}

Status check_hash(const std::string& path, const char* what, const std::string& recorded,
                  const std::string& found) {
  if (recorded == found) return Ok{};
  return error(
      "{}: expected {} with the hash {:.16}... that the ledger recorded, found {:.16}...; the checkpoint is "
      "of "
      "another run",
      path, what, recorded, found);
}

}  // namespace

Result<SavedCheckpoint> save_run(const std::string& folder, const TrainConfig& config, const RlStep& rl,
                                 PolicyTrainer& trainer, std::span<const ModelFile> model_files,
                                 const RunPosition& position) {
  Optimizer& optimizer = trainer.optimizer();
  const std::vector<ParameterSlice> slices = parameter_slices(trainer.layout());
  return save_checkpoint(folder,
                         {.state = {.step = position.step,
                                    .profile = config.model.profile,
                                    .chain = position.chain,
                                    .source = config.model.path,
                                    .cursor = {{kData, rl.data_digest()}, {kStep, position.step_state}},
                                    .buffers = nullptr},
                          .model_files = model_files,
                          .parameters = slices,
                          .arrays = {.weights = optimizer.weights(),
                                     .masters = optimizer.masters(),
                                     .first_moments = optimizer.first_moments(),
                                     .second_moments = optimizer.second_moments()}});
}

Status restore_run(const Checkpoint& checkpoint, const TrainConfig& config, const StepSummary& recorded,
                   const RlMachinery& machinery, ThreadPool& pool, RlStep& rl) {
  const std::string where = checkpoint.path() + "/state.json: cursor";
  INVAR_TRY(const JsonObject cursor, JsonObject::from(checkpoint.state().cursor, where));
  INVAR_RETURN_IF_ERROR(check_state(checkpoint, config, rl, cursor));
  INVAR_TRY(const JsonObject step_state, cursor.require_object(kStep));
  INVAR_RETURN_IF_ERROR(rl.restore(step_state.json()));
  Optimizer& optimizer = machinery.trainer.optimizer();
  const std::vector<ParameterSlice> slices = parameter_slices(machinery.trainer.layout());
  INVAR_RETURN_IF_ERROR(checkpoint.read(slices, {.weights = optimizer.weights(),
                                                 .masters = optimizer.masters(),
                                                 .first_moments = optimizer.first_moments(),
                                                 .second_moments = optimizer.second_moments()}));
  INVAR_RETURN_IF_ERROR(publish_weights(machinery.trainer, machinery.updater));
  INVAR_RETURN_IF_ERROR(check_hash(checkpoint.path(), "weights", recorded.hashes.weights,
                                   machinery.updater.digest().combined()));
  return check_hash(checkpoint.path(), "an optimizer", recorded.hashes.optimizer, optimizer.digest(pool));
}

Result<StepSummary> recorded_step(const Checkpoint& checkpoint, const std::vector<StepSummary>& steps,
                                  const std::string& ledger_path) {
  const CheckpointState& state = checkpoint.state();
  for (const StepSummary& step : steps) {
    if (step.step != state.step) continue;
    if (step.chain == state.chain) return step;
    return error(
        "{}: expected the chain hash {:.16}... that {} has after step {}, found {}; the two are not of one "
        "run: "
        "restore one of them from a copy, or choose another run.folder",
        checkpoint.path(), step.chain, ledger_path, step.step, quote(state.chain.substr(0, 16)));
  }
  return error(
      "{}: expected a step that {} has recorded, found step {}; the two are not of one run: restore one of "
      "them "
      "from a copy, or choose another run.folder",
      checkpoint.path(), ledger_path, state.step);
}

}  // namespace invar
