#include "rl/publish_weights.h"

namespace invar {

Status publish_weights(PolicyTrainer& trainer, WeightUpdater& updater) {
  std::vector<WeightUpdater::NamedWeight> weights;
  const std::span<const bf16> values = trainer.optimizer().weights();
  for (const ParameterLayout::Named& named : trainer.layout().named()) {
    weights.push_back({.name = named.place.spec.name,
                       .shape = named.place.spec.shape,
                       .values = values.subspan(static_cast<std::size_t>(named.begin),
                                                static_cast<std::size_t>(named.place.spec.elements()))});
  }
  INVAR_RETURN_IF_ERROR(updater.replace(weights));
  trainer.weights_written();
  return Ok{};
}

}  // namespace invar
