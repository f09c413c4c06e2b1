#include "rl/publish_weights.h"

namespace invar {

std::vector<WeightUpdater::NamedWeight> named_weights(const ParameterLayout& layout,
                                                      const Optimizer& optimizer) {
  std::vector<WeightUpdater::NamedWeight> weights;
  const std::span<const bf16> values = optimizer.weights();
  for (const ParameterLayout::Named& named : layout.named()) {
    weights.push_back({.name = named.place.spec.name,
                       .shape = named.place.spec.shape,
                       .values = values.subspan(static_cast<std::size_t>(named.begin),
                                                static_cast<std::size_t>(named.place.spec.elements()))});
  }
  return weights;
}

Status publish_weights(PolicyTrainer& trainer, WeightUpdater& updater) {
  INVAR_RETURN_IF_ERROR(updater.replace(named_weights(trainer.layout(), trainer.optimizer())));
  trainer.weights_written();
  return Ok{};
}

}  // namespace invar
