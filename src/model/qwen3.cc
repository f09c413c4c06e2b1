// Qwen3 (dense): llama's block with an RMSNorm on every query and key head before RoPE, no biases.
// Source: Yang et al. 2025, arXiv:2505.09388; transformers modeling_qwen3.py.
#include "model/registry.h"

namespace invar {

Result<DecoderModel> load_qwen3(const Parts& parts) {
  return parts.decoder([&](const std::string& layer) -> Result<DecoderBlock> {
    const ModelConfig& config = parts.config();
    DecoderBlock block;
    INVAR_TRY(block.attention_norm, parts.norm(layer + "input_layernorm", config.hidden_size));
    INVAR_TRY(block.attention, parts.attention(layer + "self_attn.", config.qkv_bias, config.output_bias));
    INVAR_TRY(block.attention.q_norm, parts.norm(layer + "self_attn.q_norm", config.head_dim));
    INVAR_TRY(block.attention.k_norm, parts.norm(layer + "self_attn.k_norm", config.head_dim));
    INVAR_TRY(block.mlp_norm, parts.norm(layer + "post_attention_layernorm", config.hidden_size));
    INVAR_TRY(block.mlp, parts.gated_mlp(layer + "mlp."));
    return block;
  });
}

}  // namespace invar
