// Llama (1, 2, 3, SmolLM2): pre-norm blocks, grouped-query attention, gated MLP.
// Source: Touvron et al. 2023, arXiv:2302.13971; transformers modeling_llama.py.
#include "model/registry.h"

namespace invar {

Result<DecoderModel> load_llama(const Parts& parts) {
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
