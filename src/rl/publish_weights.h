// publish_weights: the trainer's weights into the model and the engine that samples from it.
#pragma once

#include "engine/weight_updater.h"
#include "train/policy_trainer.h"

namespace invar {

// The optimizer's weights under Hugging Face's names; they are the optimizer's memory.
std::vector<WeightUpdater::NamedWeight> named_weights(const ParameterLayout& layout,
                                                      const Optimizer& optimizer);

// The optimizer's weights of `trainer` become those of the model; engine (cached keys and values, version,
// fingerprint), digest and the trainer's own copies follow. Errors: those of WeightUpdater::replace.
Status publish_weights(PolicyTrainer& trainer, WeightUpdater& updater);

}  // namespace invar
