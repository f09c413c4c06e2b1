#include <cstring>
#include <filesystem>

#include "io/hash.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "train/checkpoint_format.h"

namespace invar {
namespace {

namespace format = checkpoint_format;
namespace fs = std::filesystem;

Status compare_digest(const std::string& path, const std::string& expected) {
  Sha256 sum;
  INVAR_RETURN_IF_ERROR(read_in_pieces(path, [&](std::span<const std::byte> bytes) -> Status {
    sum.add(bytes);
    return Ok{};
  }));
  const std::string found = hex(sum.digest());
  if (found == expected) return Ok{};
  return error("{}: expected the SHA-256 {}, found {}: it was changed or cut off after it was written", path,
               expected, found);
}

struct VerifiedState {
  format::StateFile file;
  std::string digest;
};

// state.json, compared with state.sha256.
Result<VerifiedState> read_state(const std::string& folder) {
  const std::string path = folder + "/" + format::kState;
  INVAR_TRY(const std::string text, read_file(path, format::kStateLimits.bytes_max));
  INVAR_TRY(const std::string line, read_file(folder + "/" + format::kStateDigest, 4096));
  VerifiedState state;
  state.digest = sha256_hex(std::as_bytes(std::span<const char>(text)));
  if (line != format::state_digest_line(state.digest)) {
    return error("{}: expected the SHA-256 that {} says, found {}: one of the two was changed or cut off",
                 path, format::kStateDigest, state.digest);
  }
  INVAR_TRY(const Json json, parse_json(text, path, format::kStateLimits));
  INVAR_TRY(state.file, format::from_json(json, path));
  return state;
}

// A file that we did not write could be read by someone as part of the model: a generation_config.json, an index.
Status check_no_other_files(const std::string& folder, const format::StateFile& state) {
  std::error_code code;
  for (auto entry = fs::directory_iterator(folder, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name[0] == '.' || name == format::kState || name == format::kStateDigest) continue;
    if (state.digests.contains(name)) continue;
    return error("{}: found {}, which is no part of the checkpoint; move it away", folder, quote(name));
  }
  if (code) return error("{}: cannot list the folder: {}", folder, code.message());
  return Ok{};
}

struct Source {
  const SafetensorsTensors& tensors;
  const std::string& path;
};

template <class T>
Status copy_tensor(const Source& source, const std::string& name, DType dtype, const ParameterSlice& slice,
                   std::span<T> all) {
  if (all.empty()) return Ok{};
  const auto found = source.tensors.find(name);
  if (found == source.tensors.end()) return error("{}: expected a tensor {}, found none", source.path, name);
  const SafetensorsTensor& tensor = found->second;
  if (tensor.dtype != dtype || tensor.shape != slice.shape) {
    return error("{}: tensor {}: expected {} {}, found {} {}", source.path, name, dtype_name(dtype),
                 shape_text(slice.shape), dtype_name(tensor.dtype), shape_text(tensor.shape));
  }
  const auto begin = static_cast<std::size_t>(slice.begin);
  INVAR_CHECK(begin + static_cast<std::size_t>(slice.elements()) <= all.size(), "{}: {} elements at {} of {}",
              name, slice.elements(), begin, all.size());
  if (!tensor.data.empty()) std::memcpy(all.data() + begin, tensor.data.data(), tensor.data.size());
  return Ok{};
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::string& folder) {
  if (!is_directory(folder)) return error("{}: expected the folder of a checkpoint, found none", folder);
  Checkpoint checkpoint;
  checkpoint.path_ = folder;
  INVAR_TRY(VerifiedState state, read_state(folder));
  const std::string name = fs::path(folder).filename().string();
  if (name.starts_with("checkpoint-") && checkpoint_path("", state.file.state.step) != "/" + name) {
    return error("{}: expected the step that the folder's name says, found {} in {}; the folder was renamed",
                 folder, state.file.state.step, format::kState);
  }
  for (const char* needed : {format::kConfig, format::kOptimizer}) {
    if (!state.file.digests.contains(needed)) return error("{}: expected {}, found none", folder, needed);
  }
  for (const auto& [file, digest] : state.file.digests) {
    INVAR_RETURN_IF_ERROR(compare_digest(folder + "/" + file, digest));
  }
  INVAR_RETURN_IF_ERROR(check_no_other_files(folder, state.file));
  INVAR_TRY(checkpoint.weights_, SafetensorsModel::open(folder));
  INVAR_TRY(checkpoint.optimizer_, SafetensorsFile::open(folder + "/" + format::kOptimizer));
  checkpoint.state_ = std::move(state.file.state);
  checkpoint.digest_ = std::move(state.digest);
  return checkpoint;
}

Status Checkpoint::read(std::span<const ParameterSlice> parameters,
                        const TrainingArrays<bf16, float>& out) const {
  const Source weights{weights_.tensors(), path_}, optimizer{optimizer_.tensors(), path_};
  if (weights.tensors.size() != parameters.size() || optimizer.tensors.size() != 3 * parameters.size()) {
    return error("{}: expected {} weights and 3 numbers of the optimizer for each, found {} and {}", path_,
                 parameters.size(), weights.tensors.size(), optimizer.tensors.size());
  }
  for (const ParameterSlice& slice : parameters) {
    INVAR_RETURN_IF_ERROR(copy_tensor(weights, slice.name, DType::kBF16, slice, out.weights));
    INVAR_RETURN_IF_ERROR(
        copy_tensor(optimizer, format::kMaster + slice.name, DType::kF32, slice, out.masters));
    INVAR_RETURN_IF_ERROR(
        copy_tensor(optimizer, format::kFirstMoment + slice.name, DType::kF32, slice, out.first_moments));
    INVAR_RETURN_IF_ERROR(
        copy_tensor(optimizer, format::kSecondMoment + slice.name, DType::kF32, slice, out.second_moments));
  }
  return Ok{};
}

}  // namespace invar
