// WeightUpdater: replaces weights of a running engine in place, between two steps, as a trainer does after each update.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model_executor.h"
#include "model/weight_digest.h"

namespace invar {

class WeightUpdater {
 public:
  struct NamedWeight {
    std::string name;              // Hugging Face's, one of weight_specs
    std::vector<int64_t> shape;    // as weight_specs has it
    std::span<const bf16> values;  // row by row
  };

  // All must outlive the updater; the executor runs the model. digest: WeightDigest::of(model).
  WeightUpdater(DecoderModel& model, WeightDigest digest, Queue& queue, ModelExecutor& executor,
                Engine& engine);

  // Writes all of them, raises the version, and makes the engine forget keys and values of the old weights: samples
  // that run are computed again and go on with the new ones. Every result from then on has the bits of a model loaded
  // with these weights. Errors: a name twice, unknown, or with another shape or number of values; then nothing has
  // changed.
  Status replace(std::span<const NamedWeight> weights);

  const WeightDigest& digest() const { return digest_; }

 private:
  DecoderModel& model_;
  WeightDigest digest_;
  Queue& queue_;
  ModelExecutor& executor_;
  Engine& engine_;
};

}  // namespace invar
