#include "model/registry.h"

namespace invar {

Result<DecoderModel> load_decoder(const WeightSource& source) {
  const Parts parts(source, source.config());
  switch (source.config().architecture) {
    case Architecture::kLlama: return load_llama(parts);
    case Architecture::kQwen2: return load_qwen2(parts);
    case Architecture::kQwen3: return load_qwen3(parts);
  }
  return error("no loader for this architecture");
}

}  // namespace invar
