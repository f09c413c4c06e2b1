// The registry: which architecture is built by which file.
#pragma once

#include "model/parts.h"

namespace invar {

Result<DecoderModel> load_llama(const Parts& parts);
Result<DecoderModel> load_qwen2(const Parts& parts);
Result<DecoderModel> load_qwen3(const Parts& parts);

// Reads, packs and returns the model of `source`. Errors: a missing tensor, a wrong shape or type.
Result<DecoderModel> load_decoder(const WeightSource& source);

}  // namespace invar
