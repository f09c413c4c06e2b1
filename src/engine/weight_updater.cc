#include "engine/weight_updater.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "model/fingerprint.h"
#include "model/update.h"

namespace invar {

WeightUpdater::WeightUpdater(DecoderModel& model, WeightDigest digest, Queue& queue, ModelExecutor& executor,
                             Engine& engine)
    : model_(model), digest_(std::move(digest)), queue_(queue), executor_(executor), engine_(engine) {}

Status WeightUpdater::check(std::span<const NamedWeight> weights) const {
  const std::vector<WeightSpec> specs = weight_specs(model_.config);
  std::set<std::string_view> seen;
  for (const NamedWeight& weight : weights) {
    if (!seen.insert(weight.name).second) return error("weight {}: expected once, found twice", weight.name);
    const auto spec =
        std::find_if(specs.begin(), specs.end(), [&](const WeightSpec& s) { return s.name == weight.name; });
    if (spec == specs.end()) return error("weight {}: this model has none of that name", weight.name);
    if (spec->shape != weight.shape || static_cast<int64_t>(weight.values.size()) != spec->elements())
      return error("weight {}: expected shape [{}] and {} values, found shape [{}] and {} values",
                   weight.name, fmt::join(spec->shape, ", "), spec->elements(), fmt::join(weight.shape, ", "),
                   weight.values.size());
  }
  return Ok{};
}

Status WeightUpdater::replace(std::span<const NamedWeight> weights) {
  INVAR_RETURN_IF_ERROR(check(weights));
  for (const NamedWeight& weight : weights) {
    const Status written = update_weight(model_, weight.name, weight.shape, weight.values, &queue_.pool());
    INVAR_CHECK(written.ok(), "{}", written.message());  // check() has said so
    digest_.update(weight.name, weight.values);
  }
  INVAR_TRY(std::string fingerprint, model_fingerprint(model_.config, queue_.profile(), digest_.combined()));
  executor_.set_weights(std::move(fingerprint));
  engine_.weights_changed();
  return Ok{};
}

}  // namespace invar
