// Parts: reads the weights of a transformer block by their Hugging Face names and packs them. What an
// architecture is made of stands in its own file (llama.cc, qwen2.cc, qwen3.cc); this is the vocabulary they
// share.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/decoder.h"
#include "model/weights.h"

namespace invar {

class Parts {
 public:
  Parts(const WeightSource& source, const ModelConfig& config) : source_(source), config_(config) {}

  const ModelConfig& config() const { return config_; }

  // A block of a weight: `name` has `outputs` rows.
  struct Piece {
    std::string_view name;
    int64_t outputs;
  };
  // Packs <prefix><piece>.weight of every piece below each other, each [outputs, inputs]; with_bias: also <piece>.bias.
  Result<Linear> linear(const std::string& prefix, std::initializer_list<Piece> pieces, int64_t inputs,
                        bool with_bias) const;
  Result<RmsNorm> norm(const std::string& name, int64_t dim) const;

  // What llama-like blocks share: gate_proj, up_proj and down_proj.
  Result<Mlp> gated_mlp(const std::string& prefix) const;
  // q_proj, k_proj, v_proj and o_proj, without q/k norm.
  Result<SelfAttention> attention(const std::string& prefix, bool qkv_bias, bool o_bias) const;

  // Embedding, `block(layer prefix)` for every layer, final norm, LM head (tied or not) and RoPE table.
  template <class Block>
  Result<DecoderModel> decoder(const Block& block) const {
    INVAR_TRY(DecoderModel model, frame());
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      INVAR_TRY(DecoderBlock next, block("model.layers." + std::to_string(layer) + "."));
      model.blocks.push_back(std::move(next));
    }
    return model;
  }

 private:
  Result<DecoderModel> frame() const;

  const WeightSource& source_;
  const ModelConfig& config_;
};

}  // namespace invar
