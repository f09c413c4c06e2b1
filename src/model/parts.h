// Parts: the vocabulary in which an architecture's file (llama.cc, qwen2.cc, qwen3.cc) says what its block is made of:
// which named weight stands where. Making a model, loading, replacing, reading and hashing weights all follow from it.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/decoder.h"
#include "model/weights.h"

namespace invar {

// Where a named weight stands in a model. A tied embedding stands in two places: its table and the packed LM head.
struct WeightPlace {
  WeightSpec spec;
  Buffer<bf16>* plain = nullptr;   // [shape], as it is: norms, the embedding's table
  PackedWeight* packed = nullptr;  // rows [row, row + shape[0])
  Buffer<float>* bias = nullptr;   // elements [row, row + shape[0]), widened
  int64_t row = 0;
};

class Parts {
 public:
  // kMake also allocates what a part names, filled with zeros; kFind leaves the model as it is.
  enum class Mode { kMake, kFind };
  Parts(const ModelConfig& config, Mode mode) : config_(config), mode_(mode) {}

  const ModelConfig& config() const { return config_; }

  // A block of a weight: `name` has `outputs` rows.
  struct Piece {
    std::string_view name;
    int64_t outputs;
  };
  // <prefix><piece>.weight of every piece below each other, each [outputs, inputs]; with_bias: also <piece>.bias.
  void linear(const std::string& prefix, std::initializer_list<Piece> pieces, int64_t inputs, bool with_bias,
              Linear& out);
  void norm(const std::string& name, int64_t dim, RmsNorm& out);
  void norm(const std::string& name, int64_t dim, std::optional<RmsNorm>& out);

  // What llama-like blocks share: gate_proj, up_proj and down_proj.
  void gated_mlp(const std::string& prefix, Mlp& out);
  // q_proj, k_proj, v_proj and o_proj, without q/k norm.
  void attention(const std::string& prefix, bool qkv_bias, bool output_bias, SelfAttention& out);

  // Embedding, final norm and LM head (tied or not).
  void frame(DecoderModel& model);

  const std::vector<WeightPlace>& places() const { return places_; }

 private:
  const ModelConfig& config_;
  Mode mode_;
  std::vector<WeightPlace> places_;
};

}  // namespace invar
