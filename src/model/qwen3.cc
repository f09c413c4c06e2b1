// Qwen3 (dense): llama's block with an RMSNorm on every query and key head before RoPE, no biases.
// Source: Yang et al. 2025, arXiv:2505.09388; transformers modeling_qwen3.py.
#include "model/registry.h"

namespace invar {

void qwen3_block(Parts& parts, const std::string& layer, DecoderBlock& block) {
  const int64_t head_dim = parts.config().head_dim;
  llama_block(parts, layer, block);
  parts.norm(layer + "self_attn.q_norm", head_dim, block.attention.q_norm);
  parts.norm(layer + "self_attn.k_norm", head_dim, block.attention.k_norm);
}

}  // namespace invar
