// Qwen2 (Qwen2.5): llama's block with biases on q, k and v.
// Source: Yang et al. 2024, arXiv:2407.10671; transformers modeling_qwen2.py.
#include "model/registry.h"

namespace invar {

void qwen2_block(Parts& parts, const std::string& layer, DecoderBlock& block) {
  llama_block(parts, layer, block);  // which reads the biases from the configuration
}

}  // namespace invar
