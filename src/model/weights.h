// The weights of a model on disk, one tensor at a time, in bf16 whatever the file holds.
//
// Every weight is rounded to bf16 once (NUM-BF16): exactly nothing for BF16 files, one rounding from F32 and F16, one
// rounding of the dequantised fp32 value for GGUF. So a model has one set of weight bits, and one digest of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "tensor/buffer.h"
#include "tensor/convert.h"

namespace invar {

struct WeightSpec {
  std::string name;            // Hugging Face's: "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // [out, in] for matrices, [out] for biases and norms

  int64_t elements() const;
  int64_t rows() const { return shape[0]; }
  int64_t width() const { return shape.size() == 2 ? shape[1] : 1; }  // a vector is rows of 1

  friend bool operator==(const WeightSpec&, const WeightSpec&) = default;
};

// "[10, 8]", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

// Every weight that a model of this configuration has, and no other, in name order (byte by byte). With
// tie_embeddings there is no lm_head.weight.
std::vector<WeightSpec> weight_specs(const ModelConfig& config);

// How many numbers a model has, those of tied weights once.
int64_t parameter_count(const ModelConfig& config);

// GGUF's name of a weight: "blk.0.attn_q.weight". The name must be one of weight_specs.
std::string gguf_name(std::string_view hf_name);

class WeightSource {
 public:
  // `path`: a Hugging Face folder (config.json beside model.safetensors or its shards), a .safetensors file with
  // config.json beside it, a .gguf file, or a folder with one .gguf file and no safetensors.
  //
  // Errors: those of the files and of the configuration; a weight of weight_specs that is missing or has another shape
  // or dtype; a tensor that the model does not have. Everything is checked here, before the first load.
  static Result<WeightSource> open(const std::string& path);

  const std::string& path() const { return path_; }  // as given to open()
  const ModelConfig& config() const { return config_; }
  const std::vector<WeightSpec>& specs() const { return specs_; }  // weight_specs(config())
  const GgufFile* gguf() const { return gguf_.get(); }  // nullptr for safetensors; has the tokenizer
  // The folder with tokenizer.json and the other files of a Hugging Face model; empty for GGUF.
  const std::string& folder() const { return folder_; }

  // The weight `name` in bf16, row-major. Errors: no such weight, or its shape is not `shape`.
  Result<Buffer<bf16>> load(std::string_view name, const std::vector<int64_t>& shape) const;
  // The same before the rounding to bf16.
  Result<Buffer<float>> load_f32(std::string_view name, const std::vector<int64_t>& shape) const;

  // The combined digest of the weights (model/weight_digest.h), 64 hex digits. Computed at each call;
  // holds one weight a
  // thread in memory.
  std::string weights_digest(ThreadPool& pool) const;

 private:
  static Result<WeightSource> open_gguf(const std::string& file);
  static Result<WeightSource> open_safetensors(const std::string& file, const std::string& folder);
  Status check_tensors() const;
  const WeightSpec* find(std::string_view name) const;
  Result<const WeightSpec*> require(std::string_view name, const std::vector<int64_t>& shape) const;
  void load_rows(const WeightSpec& spec, int64_t row, std::span<float> out) const;
  void load_bf16(const WeightSpec& spec, std::span<bf16> out) const;

  std::string path_, folder_;
  ModelConfig config_;
  std::vector<WeightSpec> specs_;
  std::unique_ptr<GgufFile> gguf_;  // one of these two
  std::unique_ptr<SafetensorsModel> safetensors_;
};

}  // namespace invar
