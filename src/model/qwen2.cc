// Qwen2 (Qwen2.5): llama's block with biases on q, k and v.
// Source: Yang et al. 2024, arXiv:2407.10671; transformers modeling_qwen2.py.
#include "model/registry.h"

namespace invar {

void qwen2_block(Parts& parts, const std::string& layer, DecoderBlock& block) {
  const ModelConfig& config = parts.config();
  parts.norm(layer + "input_layernorm", config.hidden_size, block.attention_norm);
  parts.attention(layer + "self_attn.", config.qkv_bias, config.output_bias, block.attention);
  parts.norm(layer + "post_attention_layernorm", config.hidden_size, block.mlp_norm);
  parts.gated_mlp(layer + "mlp.", block.mlp);
}

}  // namespace invar
