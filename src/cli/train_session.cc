#include "cli/train_session.h"

namespace invar {

RlMachinery TrainSession::machinery() const {
  return {.engine = *model->engine,
          .updater = *updater,
          .trainer = *trainer,
          .tokenizer = model->tokenizer,
          .chat_template = model->chat_template ? &*model->chat_template : nullptr,
          .reference = reference.get()};
}

const std::string& TrainSession::fingerprint() const { return model->executor->weights().fingerprint; }

Result<TrainSession> open_train_session(const TrainConfig& config, const std::string& isa, int threads) {
  TrainSession session;
  INVAR_TRY(session.model, open_session({.path = config.model.path,
                                         .profile = config.model.profile,
                                         .isa = isa,
                                         .threads = threads,
                                         .step_rows = config.rollout.prefill_rows,
                                         .batch_max = config.rollout.max_running,
                                         .kv_mib = config.rollout.kv_mib}));
  Session& model = *session.model;
  session.updater = std::make_unique<WeightUpdater>(model.model, model.digest, *model.queue, *model.executor,
                                                    *model.engine);
  session.trainer =
      std::make_unique<PolicyTrainer>(model.model, *model.queue, config.train.micro_batch_rows,
                                      PolicyTrainerRanks{.local = static_cast<int>(config.train.ranks),
                                                         .kept_bytes = config.train.activations_mib << 20});
  if (const std::string path = reference_path(config); !path.empty()) {
    INVAR_TRY(session.reference, open_reference(path, model, config.train.micro_batch_rows));
  }
  return session;
}

}  // namespace invar
