#include "model/weights.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "io/gguf_dequant.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "model/weight_digest.h"

namespace invar {
namespace {

// Where llama.cpp's converter keeps row `row` of q_proj or k_proj. Its RoPE turns neighbours (2i, 2i+1) of a head where
// Hugging Face turns (i, i + D/2), so for the llama architecture it interleaves the halves of each head.
// Source: convert_hf_to_gguf.py, LlamaModel.permute.
int64_t gguf_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, in_head = row % head_dim;
  const int64_t half = in_head / (head_dim / 2), i = in_head % (head_dim / 2);
  return head * head_dim + 2 * i + half;
}

bool is_permuted(const ModelConfig& config, std::string_view name) {
  return config.architecture == Architecture::kLlama &&
         (name.find(".q_proj.") != std::string_view::npos || name.find(".k_proj.") != std::string_view::npos);
}

// The only .gguf file of a folder; empty if there is none.
Result<std::string> single_gguf(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".gguf") found.push_back(entry.path().string());
  }
  if (code) return error("{}: cannot list the folder: {}", folder, code.message());
  if (found.size() > 1) {
    std::sort(found.begin(), found.end());
    return error("{}: expected one .gguf file, found {}; name one of them, like {}", folder, found.size(),
                 found[0]);
  }
  return found.empty() ? std::string() : found[0];
}

// Tensors of files that hold no weight of their own.
bool is_ignored(std::string_view name, const ModelConfig& config) {
  // Some tied models store the embedding a second time; old Llama files store RoPE's frequencies; GGUF's
  // rope_freqs.weight has gone into the configuration.
  return (config.tie_embeddings && name == "lm_head.weight") || name.ends_with(".rotary_emb.inv_freq") ||
         name == "rope_freqs.weight";
}

}  // namespace

Result<WeightSource> WeightSource::open(const std::string& path) {
  Result<WeightSource> source = error("{}: not opened", path);
  if (is_directory(path)) {
    // Folders of GGUF files often hold the original's config.json too.
    std::string gguf;
    if (!is_file(path + "/model.safetensors") && !is_file(path + "/model.safetensors.index.json")) {
      INVAR_TRY(gguf, single_gguf(path));
      if (gguf.empty()) {
        return error(
            "{}: expected model.safetensors, model.safetensors.index.json or one .gguf file in this folder, "
            "found none",
            path);
      }
    }
    source = gguf.empty() ? open_safetensors(path, path) : open_gguf(gguf);
  } else if (path.ends_with(".gguf")) {
    source = open_gguf(path);
  } else if (path.ends_with(".safetensors") || path.ends_with(".safetensors.index.json")) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    source = open_safetensors(path, folder);
  } else if (is_file(path)) {
    return error("{}: expected a folder, a .safetensors file or a .gguf file, found another file", path);
  } else {
    return error("{}: no such file or folder; expected a Hugging Face folder, a .safetensors or a .gguf file",
                 path);
  }
  if (!source) return source;
  source->path_ = path;
  source->specs_ = weight_specs(source->config_);
  INVAR_RETURN_IF_ERROR(source->check_tensors());
  return source;
}

Result<WeightSource> WeightSource::open_gguf(const std::string& file) {
  WeightSource source;
  INVAR_TRY(GgufFile gguf, GgufFile::open(file));
  INVAR_TRY(source.config_, parse_gguf_config(gguf));
  source.gguf_ = std::make_unique<GgufFile>(std::move(gguf));
  return source;
}

Result<WeightSource> WeightSource::open_safetensors(const std::string& file, const std::string& folder) {
  WeightSource source;
  source.folder_ = folder;
  INVAR_TRY(source.config_, read_hf_config(folder));
  INVAR_TRY(SafetensorsModel model, SafetensorsModel::open(file));
  source.safetensors_ = std::make_unique<SafetensorsModel>(std::move(model));
  return source;
}

Status WeightSource::check_tensors() const {
  std::set<std::string, std::less<>> names;
  for (const WeightSpec& spec : specs_) {
    const std::string name = gguf_ ? gguf_name(spec.name) : spec.name;
    names.insert(name);
    const GgufTensor* quantised = gguf_ ? gguf_->find_tensor(name) : nullptr;
    const SafetensorsTensor* plain = safetensors_ ? safetensors_->find(name) : nullptr;
    if (quantised == nullptr && plain == nullptr) {
      return error("{}: expected a tensor {} of shape {}, found none", path_, name, shape_text(spec.shape));
    }
    const std::vector<int64_t>& shape = quantised ? quantised->shape : plain->shape;
    if (shape != spec.shape) {
      return error("{}: tensor {}: expected shape {} from the configuration, found {}", path_, name,
                   shape_text(spec.shape), shape_text(shape));
    }
    if (quantised != nullptr && shape.size() == 1 && ggml_block(quantised->type).elements != 1) {
      return error("{}: tensor {}: expected F32, F16 or BF16 for a vector, found {}", path_, name,
                   ggml_block(quantised->type).name);
    }
    if (plain != nullptr && !is_float_weight(plain->dtype)) {
      return error("{}: tensor {}: expected F32, F16 or BF16, found {}", path_, name,
                   dtype_name(plain->dtype));
    }
  }
  const auto check_extra = [&](const std::string& name) -> Status {
    if (names.contains(name) || is_ignored(name, config_)) return Ok{};
    return error("{}: found the tensor {}, which a {} of this configuration does not have", path_,
                 quote(name), architecture_name(config_.architecture));
  };
  if (gguf_) {
    for (const GgufTensor& tensor : gguf_->tensors()) INVAR_RETURN_IF_ERROR(check_extra(tensor.name));
  } else {
    for (const auto& entry : safetensors_->tensors()) INVAR_RETURN_IF_ERROR(check_extra(entry.first));
  }
  return Ok{};
}

const WeightSpec* WeightSource::find(std::string_view name) const {
  const auto it = std::lower_bound(specs_.begin(), specs_.end(), name,
                                   [](const WeightSpec& spec, std::string_view n) { return spec.name < n; });
  return it != specs_.end() && it->name == name ? &*it : nullptr;
}

Result<const WeightSpec*> WeightSource::require(std::string_view name,
                                                const std::vector<int64_t>& shape) const {
  const WeightSpec* spec = find(name);
  if (spec == nullptr) return error("{}: expected a weight {}, found none", path_, quote(name));
  if (spec->shape != shape) {
    return error("{}: {}: expected shape {}, found {}", path_, name, shape_text(shape),
                 shape_text(spec->shape));
  }
  return spec;
}

// out: whole rows of the weight in Hugging Face's order, from `row` on, in fp32.
void WeightSource::load_rows(const WeightSpec& spec, int64_t row, std::span<float> out) const {
  const auto width = static_cast<std::size_t>(spec.width());
  const std::size_t rows = out.size() / width, first = static_cast<std::size_t>(row);
  if (safetensors_) {
    const SafetensorsTensor& tensor = *safetensors_->find(spec.name);
    const std::size_t bytes = width * static_cast<std::size_t>(dtype_bytes(tensor.dtype));
    return convert_to_f32(tensor.dtype, tensor.data.subspan(first * bytes, rows * bytes), out);
  }
  const GgufTensor& tensor = *gguf_->find_tensor(gguf_name(spec.name));
  const std::size_t bytes = tensor.data.size() / static_cast<std::size_t>(spec.shape[0]);
  if (!is_permuted(config_, spec.name)) {
    // One call for all rows: a vector's rows of one element are parts of blocks.
    return dequantize(tensor.type, tensor.data.subspan(first * bytes, rows * bytes), out);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    const auto from = static_cast<std::size_t>(gguf_row(row + static_cast<int64_t>(i), config_.head_dim));
    dequantize(tensor.type, tensor.data.subspan(from * bytes, bytes), out.subspan(i * width, width));
  }
}

void WeightSource::load_bf16(const WeightSpec& spec, std::span<bf16> out) const {
  if (safetensors_) {
    const SafetensorsTensor& tensor = *safetensors_->find(spec.name);
    return convert_to_bf16(tensor.dtype, tensor.data, out);
  }
  // Through fp32 in pieces that stay in cache.
  constexpr int64_t kPiece = 16384;
  const int64_t width = spec.width(), rows = spec.shape[0];
  const int64_t step = spec.shape.size() == 2 ? std::max<int64_t>(1, kPiece / width) : rows;
  std::vector<float> piece(static_cast<std::size_t>(std::min(step, rows) * width));
  for (int64_t row = 0; row < rows; row += step) {
    const auto size = static_cast<std::size_t>(std::min(step, rows - row) * width);
    const std::span<float> part = std::span(piece).first(size);
    load_rows(spec, row, part);
    round_to_bf16(part, out.subspan(static_cast<std::size_t>(row * width), size));
  }
}

Result<Buffer<bf16>> WeightSource::load(std::string_view name, const std::vector<int64_t>& shape) const {
  INVAR_TRY(const WeightSpec* spec, require(name, shape));
  Buffer<bf16> out(spec->elements());
  load_bf16(*spec, out.span());
  return out;
}

Result<Buffer<float>> WeightSource::load_f32(std::string_view name, const std::vector<int64_t>& shape) const {
  INVAR_TRY(const WeightSpec* spec, require(name, shape));
  Buffer<float> out(spec->elements());
  load_rows(*spec, 0, out.span());
  return out;
}

std::string WeightSource::weights_digest(ThreadPool& pool) const {
  return WeightDigest::of(*this, pool).combined();
}

}  // namespace invar
