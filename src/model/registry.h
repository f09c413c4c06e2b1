// The registry: which architecture is described by which file.
#pragma once

#include "model/parts.h"

namespace invar {

// What a block is made of; `layer` begins the names of its weights ("model.layers.0.").
void llama_block(Parts& parts, const std::string& layer, DecoderBlock& block);
void qwen2_block(Parts& parts, const std::string& layer, DecoderBlock& block);
void qwen3_block(Parts& parts, const std::string& layer, DecoderBlock& block);

// A model of this configuration with all weights zero, for update_weight to fill. Errors: impossible
// parameters of RoPE.
Result<DecoderModel> make_decoder(const ModelConfig& config);

// Reads, packs and returns the model of `source`; with a pool, a weight at a time on each thread. Errors: a missing
// tensor, a wrong shape or type.
Result<DecoderModel> load_decoder(const WeightSource& source, ThreadPool* pool = nullptr);

// The places of all weights of `model`, or of the only one named `name` (nothing if it has none), in name order. They
// point into the model, which must stay where it is.
std::vector<WeightPlace> weight_places(DecoderModel& model);
std::optional<WeightPlace> weight_place(DecoderModel& model, std::string_view name);

}  // namespace invar
