#include "engine/weight_updater.h"

#include <set>
#include <string_view>

#include "model/fingerprint.h"
#include "model/update.h"

namespace invar {

WeightUpdater::WeightUpdater(DecoderModel& model, WeightDigest digest, Queue& queue, ModelExecutor& executor,
                             Engine& engine)
    : model_(model), digest_(std::move(digest)), queue_(queue), executor_(executor), engine_(engine) {}

Status WeightUpdater::replace(std::span<const NamedWeight> weights) {
  // All of them first: nothing is written when one does not fit.
  std::vector<WeightPlace> places;
  std::set<std::string_view> seen;
  for (const NamedWeight& weight : weights) {
    if (!seen.insert(weight.name).second) return error("weight {}: expected once, found twice", weight.name);
    INVAR_TRY(WeightPlace place, fitting_place(model_, weight.name, weight.shape, weight.values.size()));
    places.push_back(std::move(place));
  }
  std::vector<WeightDigest::NewValues> values;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    write_weight(places[i], weights[i].values, &queue_.pool());
    values.push_back({.name = weights[i].name, .values = weights[i].values});
  }
  digest_.update(values, queue_.pool());
  INVAR_TRY(std::string fingerprint, model_fingerprint(model_.config, queue_.profile(), digest_.combined()));
  executor_.set_weights(std::move(fingerprint));
  engine_.weights_changed();
  return Ok{};
}

}  // namespace invar
