// What the ledger of a run records: the run itself, and for each step its samples, metrics and hashes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace invar {

// Metrics and timings that `invar runs`, `show` and `report` know by name and put first. A trainer may record others.
namespace metric {
inline constexpr const char* kReward = "reward";    // mean over the step's samples
inline constexpr const char* kKl = "kl";            // to the reference model, mean over tokens
inline constexpr const char* kEntropy = "entropy";  // of the sampling distribution, mean over tokens, nats
inline constexpr const char* kLength = "length";    // tokens of an answer, mean over samples
inline constexpr const char* kTokensPerS =
    "tokens/s";                                     // a timing: generated tokens a second of the whole step
inline constexpr const char* kSeconds = "seconds";  // a timing: of the whole step
}  // namespace metric

inline constexpr const char* kHeldOut = "held-out";  // EvalResult::name of a run's own held-out prompts

// A run, as it was started: one for each begin() of a ledger, so a resumed run has several.
struct RunInfo {
  std::string config;       // resolved, as text
  std::string model_path;   // as the user gave it
  std::string fingerprint;  // of the model that training began with
  int numerics_version = 0;
  std::string profile;  // of kernels/queue.h
  uint64_t seed = 0;
  std::string created_at;  // wall time, for people: nothing depends on it
  int64_t first_step = 0;  // the first step that this process computed; the ledger fills it in
};

// One sample of one prompt.
struct RolloutRecord {
  int64_t prompt_id = 0;
  int64_t sample = 0;  // 0 <= sample < samples of a prompt
  uint64_t seed = 0;
  std::vector<int32_t> prompt, tokens;  // token ids
  std::vector<float> log_probs;         // [tokens]: of each sampled token, natural logarithm
  double reward = 0;
  float advantage = 0;
  bool kept = true;         // false: sampled, then filtered out of the update
  std::string finish;       // why it ended: stop, length, ...
  std::string text, label;  // the answer; what was expected of it
  std::string prompt_text;  // for people; may be empty
  // [tokens] bytes of `text` up to and including each token, for showing log-probs on the text; empty when unknown.
  std::vector<int32_t> token_ends;
};

// 64 lower-case hex digits each: SHA-256; of optimizer and gradients the tree hash (io/tree_hash.h).
struct StepHashes {
  std::string weights, optimizer;  // after the step
  std::string rollouts, rewards;   // by hash_rollouts() and hash_rewards(): append() fills them in itself
  std::string gradients;

  bool operator==(const StepHashes&) const = default;
};

using NamedValues = std::vector<std::pair<std::string, double>>;

// A score on held-out prompts by the weights after a step.
struct EvalResult {
  std::string name;  // of the task set
  int64_t prompts = 0;
  double score = 0;

  bool operator==(const EvalResult&) const = default;
};

struct StepRecord {
  int64_t step = 0;
  std::vector<RolloutRecord> rollouts;  // in index order: the order is part of the hash
  NamedValues metrics;                  // names are unique
  StepHashes hashes;
  std::vector<EvalResult> evals;  // names are unique
  NamedValues timings;            // wall times and speeds: in no hash, and no difference between runs
};

}  // namespace invar
