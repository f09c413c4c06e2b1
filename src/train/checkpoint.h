// Checkpoints: all that a run needs to go on as if it had never stopped, in a folder that is there whole or not at all.
//
//   <run>/checkpoint-000123/
//     config.json, generation_config.json, tokenizer files    as the model came (train/checkpoint_model.h)
//     model.safetensors                                       bf16 weights by Hugging Face's names; above 5 GB in
//                                                             shards model-00001-of-00002.safetensors and an index
//     optimizer.safetensors                                   fp32: master.<name>, first_moment.<name>,
//                                                             second_moment.<name>
//     state.json                                              CheckpointState, and the SHA-256 of every file above
//     state.sha256                                            the SHA-256 of state.json; `sha256sum -c` reads it
//
// transformers and our own WeightSource open the folder as a model. A folder is trusted only after every byte of it was
// compared with its digest.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "numerics/bf16.h"
#include "numerics/version.h"
#include "train/checkpoint_model.h"

namespace invar {

// Where a weight lies in the trainer's flat arrays: elements [begin, begin + product of shape), row-major.
struct ParameterSlice {
  std::string name;  // Hugging Face's
  std::vector<int64_t> shape;
  int64_t begin;

  int64_t elements() const;
};

// The trainer's numbers, all [N] in one order.
template <class Bf16, class Float>
struct TrainingArrays {
  std::span<Bf16> weights;
  std::span<Float> masters, first_moments, second_moments;
};

struct CheckpointState {
  int64_t step = 0;  // updates made; >= 0
  int numerics_version = kNumericsVersion;
  std::string profile;  // "fma32"
  std::string chain;    // the ledger's hash after `step`
  std::string source;   // where the model came from, for people
  Json cursor;          // of the data
  Json buffers;         // what the loop carries between steps

  friend bool operator==(const CheckpointState&, const CheckpointState&) = default;
};

struct CheckpointContents {
  CheckpointState state;
  std::span<const ModelFile> model_files;      // with a config.json
  std::span<const ParameterSlice> parameters;  // every weight once
  TrainingArrays<const bf16, const float> arrays;
};

struct SavedCheckpoint {
  std::string path;
  std::string digest;  // SHA-256 of state.json, 64 hex digits: stands for every byte of the folder
};

// Writes <run_folder>/checkpoint-<step>, in place of one that is there. The tensors go from memory to disk without a
// copy; everything is on the disk when this returns. Errors: disk full, I/O errors, a state that JSON cannot hold (text
// that is not UTF-8, a number that is not finite); whatever the error, earlier checkpoints stay as they were.
Result<SavedCheckpoint> save_checkpoint(const std::string& run_folder, const CheckpointContents& contents,
                                        int64_t shard_bytes_max = 5'000'000'000);

class Checkpoint {
 public:
  // Compares every byte of the folder with its digest, then opens it. Errors: a file that is missing, too many, or has
  // other bytes than were written; a folder of another step; I/O errors.
  static Result<Checkpoint> open(const std::string& folder);

  const std::string& path() const { return path_; }
  const std::string& digest() const { return digest_; }  // as SavedCheckpoint's
  const CheckpointState& state() const { return state_; }
  const SafetensorsTensors& weights() const { return weights_.tensors(); }  // bf16, by name
  // fp32, by "master.<name>" and so on.
  const SafetensorsTensors& optimizer() const { return optimizer_.tensors(); }

  // Copies every number to its place. An array of `out` that is empty is left out. Errors: the checkpoint's weights
  // are not those of `parameters`, by name and shape; `out` is then partly written.
  Status read(std::span<const ParameterSlice> parameters, const TrainingArrays<bf16, float>& out) const;

 private:
  std::string path_, digest_;
  CheckpointState state_;
  SafetensorsModel weights_;
  SafetensorsFile optimizer_;
};

struct LatestCheckpoint {
  std::optional<Checkpoint> checkpoint;  // nothing: the run has none that is whole
  std::vector<std::string> skipped;      // newer ones that are not whole, and why; one line each
};

// The newest checkpoint of a run that is whole. Errors: the folder cannot be listed.
Result<LatestCheckpoint> latest_checkpoint(const std::string& run_folder);

// The steps of a run's checkpoints, ascending, by the folders' names alone.
Result<std::vector<int64_t>> checkpoint_steps(const std::string& run_folder);

// <run_folder>/checkpoint-000123
std::string checkpoint_path(const std::string& run_folder, int64_t step);

// Removes the temporary folders of writers that were killed. For the start of a run, when nobody else writes. Returns
// how many there were.
Result<int64_t> remove_unfinished_checkpoints(const std::string& run_folder);

struct CheckpointPolicy {
  int64_t keep_last = 2;   // >= 1
  int64_t keep_every = 0;  // steps that are multiples of it stay, too; 0: none
};

// Removes the checkpoints that the policy does not keep, never that of `saved`: the one just written, which is
// known to be whole. Those of later steps are left alone: a run that went back to `saved` found them broken, and says
// so. Errors: a folder that cannot be removed.
Status prune_checkpoints(const std::string& run_folder, int64_t saved, const CheckpointPolicy& policy);

}  // namespace invar
