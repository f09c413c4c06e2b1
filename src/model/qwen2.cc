// Qwen2 (Qwen2.5): llama's block with biases on q, k and v.
// Source: Yang et al. 2024, arXiv:2407.10671; transformers modeling_qwen2.py.
#include "model/registry.h"

namespace invar {

Result<DecoderModel> load_qwen2(const Parts& parts) {
  return parts.decoder([&](const std::string& layer) -> Result<DecoderBlock> {
    const ModelConfig& config = parts.config();
    DecoderBlock block;
    INVAR_TRY(block.attention_norm, parts.norm(layer + "input_layernorm", config.hidden_size));
    INVAR_TRY(block.attention, parts.attention(layer + "self_attn.", config.qkv_bias, config.output_bias));
    INVAR_TRY(block.mlp_norm, parts.norm(layer + "post_attention_layernorm", config.hidden_size));
    INVAR_TRY(block.mlp, parts.gated_mlp(layer + "mlp."));
    return block;
  });
}

}  // namespace invar
