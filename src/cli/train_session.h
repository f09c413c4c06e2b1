// TrainSession: what `train` and `replay` open: a model, what makes steps with it, and the reference model.
#pragma once

#include <memory>
#include <string>

#include "cli/session.h"
#include "rl/rl_step.h"

namespace invar {

struct TrainSession {
  std::unique_ptr<Session> model;
  std::unique_ptr<WeightUpdater> updater;
  std::unique_ptr<PolicyTrainer> trainer;
  std::unique_ptr<ReferenceModel> reference;  // of reference_path(config), where there is one

  RlMachinery machinery() const;
  const std::string& fingerprint() const;
};

// isa, threads: as ModelOptions has them. Errors: those of open_session and open_reference.
Result<TrainSession> open_train_session(const TrainConfig& config, const std::string& isa, int threads);

}  // namespace invar
