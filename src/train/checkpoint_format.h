// What the writer and the reader of checkpoints agree on.
#pragma once

#include "train/checkpoint.h"

namespace invar::checkpoint_format {

inline constexpr int kFormat = 1;
inline constexpr JsonLimits kStateLimits{.bytes_max = int64_t{1} << 30, .depth_max = 64};

inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kWeights = "model.safetensors";
inline constexpr const char* kWeightsIndex = "model.safetensors.index.json";
inline constexpr const char* kOptimizer = "optimizer.safetensors";
inline constexpr const char* kState = "state.json";
inline constexpr const char* kStateDigest = "state.sha256";
inline constexpr const char* kMaster = "master.";
inline constexpr const char* kFirstMoment = "first_moment.";
inline constexpr const char* kSecondMoment = "second_moment.";

// A line of sha256sum.
inline std::string state_digest_line(const std::string& digest) { return digest + "  " + kState + "\n"; }

// state.json and back. digests: SHA-256 by file name.
struct StateFile {
  CheckpointState state;
  std::map<std::string, std::string> digests;
};
Json to_json(const StateFile& file);
Result<StateFile> from_json(const Json& json, const std::string& where);

}  // namespace invar::checkpoint_format
