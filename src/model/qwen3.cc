// Qwen3 (dense): llama's block with an RMSNorm on every query and key head before RoPE, no biases.
// Source: Yang et al. 2025, arXiv:2505.09388; transformers modeling_qwen3.py.
#include "model/registry.h"

namespace invar {

void qwen3_block(Parts& parts, const std::string& layer, DecoderBlock& block) {
  const ModelConfig& config = parts.config();
  parts.norm(layer + "input_layernorm", config.hidden_size, block.attention_norm);
  parts.attention(layer + "self_attn.", config.qkv_bias, config.output_bias, block.attention);
  parts.norm(layer + "self_attn.q_norm", config.head_dim, block.attention.q_norm);
  parts.norm(layer + "self_attn.k_norm", config.head_dim, block.attention.k_norm);
  parts.norm(layer + "post_attention_layernorm", config.hidden_size, block.mlp_norm);
  parts.gated_mlp(layer + "mlp.", block.mlp);
}

}  // namespace invar
