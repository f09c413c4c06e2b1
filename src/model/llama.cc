// Llama (1, 2, 3, SmolLM2): pre-norm blocks, grouped-query attention, gated MLP.
// Source: Touvron et al. 2023, arXiv:2302.13971; transformers modeling_llama.py.
#include "model/registry.h"

namespace invar {

void llama_block(Parts& parts, const std::string& layer, DecoderBlock& block) {
  const ModelConfig& config = parts.config();
  parts.norm(layer + "input_layernorm", config.hidden_size, block.attention_norm);
  parts.attention(layer + "self_attn.", config.qkv_bias, config.output_bias, block.attention);
  parts.norm(layer + "post_attention_layernorm", config.hidden_size, block.mlp_norm);
  parts.gated_mlp(layer + "mlp.", block.mlp);
}

}  // namespace invar
