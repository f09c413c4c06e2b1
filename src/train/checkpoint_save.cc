#include <algorithm>
#include <set>

#include "io/atomic_folder.h"
#include "train/checkpoint_format.h"

namespace invar {
namespace {

namespace format = checkpoint_format;

template <class T>
SafetensorsTensor part(DType dtype, const ParameterSlice& slice, std::span<const T> all) {
  const auto elements = static_cast<std::size_t>(slice.elements());
  return {dtype, slice.shape, std::as_bytes(all.subspan(static_cast<std::size_t>(slice.begin), elements))};
}

void check_contents(const CheckpointContents& contents) {
  const auto& arrays = contents.arrays;
  const std::size_t size = arrays.weights.size();
  INVAR_CHECK(arrays.masters.size() == size && arrays.first_moments.size() == size &&
                  arrays.second_moments.size() == size,
              "{} weights, {} masters, {} and {} moments", size, arrays.masters.size(),
              arrays.first_moments.size(), arrays.second_moments.size());
  std::set<std::string> names;
  for (const ParameterSlice& slice : contents.parameters) {
    INVAR_CHECK(slice.begin >= 0 && slice.begin + slice.elements() <= static_cast<int64_t>(size),
                "{}: {} elements at {} of {}", slice.name, slice.elements(), slice.begin, size);
    INVAR_CHECK(names.insert(slice.name).second, "{} twice", slice.name);
  }
  INVAR_CHECK(contents.state.step >= 0, "step {}", contents.state.step);
}

class Writer {
 public:
  Writer(const CheckpointContents& contents, AtomicFolder& folder) : contents_(contents), folder_(folder) {}

  Status write_model_files() {
    for (const ModelFile& file : contents_.model_files) {
      INVAR_CHECK(
          file.name != format::kState && file.name != format::kStateDigest && !digests_.contains(file.name),
          "{}", file.name);
      INVAR_TRY(digests_[file.name], folder_.write_file(file.name, file.bytes));
    }
    INVAR_CHECK(digests_.contains(format::kConfig), "a checkpoint needs the model's config.json");
    return Ok{};
  }

  // In name order, as many to a file as shard_bytes_max holds, and at least one.
  Status write_weights(int64_t shard_bytes_max) {
    std::map<std::string, const ParameterSlice*> by_name;
    for (const ParameterSlice& slice : contents_.parameters) by_name[slice.name] = &slice;
    std::vector<SafetensorsTensors> shards(1);
    int64_t bytes = 0, total = 0;
    for (const auto& [name, slice] : by_name) {
      SafetensorsTensor tensor = part(DType::kBF16, *slice, contents_.arrays.weights);
      const auto size = static_cast<int64_t>(tensor.data.size());
      if (bytes > 0 && bytes + size > shard_bytes_max) {
        shards.emplace_back();
        bytes = 0;
      }
      bytes += size;
      total += size;
      shards.back().emplace(name, std::move(tensor));
    }
    if (shards.size() == 1) return write_tensors(format::kWeights, shards[0]);
    Json weight_map = Json::object();
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      INVAR_RETURN_IF_ERROR(write_tensors(name, shards[i]));
      for (const auto& entry : shards[i]) weight_map[entry.first] = name;
    }
    const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(weight_map)}};
    INVAR_TRY(digests_[format::kWeightsIndex],
              folder_.write_file(format::kWeightsIndex, index.dump(2) + "\n"));
    return Ok{};
  }

  Status write_optimizer() {
    SafetensorsTensors tensors;
    for (const ParameterSlice& slice : contents_.parameters) {
      const auto put = [&](const char* prefix, std::span<const float> all) {
        tensors.emplace(prefix + slice.name, part(DType::kF32, slice, all));
      };
      put(format::kMaster, contents_.arrays.masters);
      put(format::kFirstMoment, contents_.arrays.first_moments);
      put(format::kSecondMoment, contents_.arrays.second_moments);
    }
    return write_tensors(format::kOptimizer, tensors);
  }

  // Returns the digest of state.json, which stands for every file.
  Result<std::string> write_state(const std::string& path) {
    const Json json = format::to_json({.state = contents_.state, .digests = digests_});
    // Replaces bytes that are not UTF-8 and writes null for numbers that are not finite; then the comparison fails.
    const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    const Result<Json> again = parse_json(text, path + "/" + format::kState, format::kStateLimits);
    if (!again) return error("the run's state cannot be kept in a checkpoint: {}", again.message());
    if (*again != json) {
      return error(
          "{}: the run's state has text that is not UTF-8, or a number that is not finite; JSON holds "
          "neither",
          path);
    }
    INVAR_TRY(std::string digest, folder_.write_file(format::kState, text));
    INVAR_TRY(const std::string unused,
              folder_.write_file(format::kStateDigest, format::state_digest_line(digest)));
    (void)unused;
    return digest;
  }

 private:
  Status write_tensors(const std::string& name, const SafetensorsTensors& tensors) {
    INVAR_TRY(FolderFile file, folder_.create_file(name));
    const ByteSink write = [&](std::span<const std::byte> bytes) { return file.write(bytes); };
    // transformers refuses a file that does not say "pt".
    INVAR_RETURN_IF_ERROR(write_safetensors(write, tensors, {{"format", "pt"}}));
    INVAR_TRY(digests_[name], file.finish());
    return Ok{};
  }

  const CheckpointContents& contents_;
  AtomicFolder& folder_;
  std::map<std::string, std::string> digests_;
};

}  // namespace

int64_t ParameterSlice::elements() const {
  int64_t product = 1;
  for (const int64_t dim : shape) product *= dim;
  return product;
}

std::string checkpoint_path(const std::string& run_folder, int64_t step) {
  return fmt::format("{}/checkpoint-{:06}", run_folder, step);
}

Result<SavedCheckpoint> save_checkpoint(const std::string& run_folder, const CheckpointContents& contents,
                                        int64_t shard_bytes_max) {
  check_contents(contents);
  const std::string path = checkpoint_path(run_folder, contents.state.step);
  INVAR_TRY(AtomicFolder folder, AtomicFolder::create(path));
  Writer writer(contents, folder);
  INVAR_RETURN_IF_ERROR(writer.write_model_files());
  INVAR_RETURN_IF_ERROR(writer.write_weights(shard_bytes_max));
  INVAR_RETURN_IF_ERROR(writer.write_optimizer());
  INVAR_TRY(std::string digest, writer.write_state(path));
  INVAR_RETURN_IF_ERROR(folder.commit());
  return SavedCheckpoint{.path = path, .digest = std::move(digest)};
}

}  // namespace invar
