// TrainConfig: everything that a training run is told, from one TOML file; the resolved text of it is part of the run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "rl/rewards/reward.h"

namespace invar {

struct TrainConfig {
  struct Model {
    std::string path;
    std::string profile = "fma32";
  } model;
  struct Run {
    std::string folder;  // of the run's ledger and checkpoints; empty: none is written
    int64_t seed = 0;
    int64_t steps = 100;
    int64_t eval_every = 10;  // steps: before the first, and after the last too; 0: never
  } run;
  struct Data {
    std::string task;  // a built-in one, or else a file
    int64_t difficulty = 1;
    std::string file;       // JSON lines
    std::string eval_file;  // held out; a built-in task has its own
    int64_t eval_prompts = 64;
    bool shuffle = true;
    std::string prompt_key = "input", label_key = "label", metadata_key = "metadata", tools_key = "tools";
    std::string system;         // a system message before each prompt that has none
    bool chat_template = true;  // off: a prompt's text as it is
  } data;
  struct Rollout {
    int64_t groups = 8;          // prompts of a step
    int64_t samples = 8;         // of each prompt
    int64_t groups_a_round = 0;  // more than groups: over-sampling; 0: groups
    int64_t rounds_max = 1;
    bool drop_equal = false;  // dynamic sampling: groups whose rewards are all equal are drawn again
    std::string shortage = "fill";
    int64_t token_budget = 0;  // most tokens of a step; what is unfinished goes on in the next one. 0: no limit
    int64_t max_tokens = 128;
    bool ignore_eos = false;  // on to max_tokens; an end of sequence is a token as others are
    double temperature = 1;
    double top_p = 1;
    int64_t top_k = 0;
    std::vector<std::string> stop;
    int64_t max_running = 64;
    int64_t prefill_rows = 256;
    int64_t kv_mib = 1024;
  } rollout;
  RewardOptions reward;
  struct Reference {
    std::string path;  // of a model with the same tokenizer; empty: model.path, where there is a kl_coefficient
  } reference;
  struct Algorithm {
    std::string advantage = "grpo";
    std::string objective = "clip";
    double clip_low = 0.2, clip_high = 0.2, dual_clip = 0;
    std::string aggregation = "token";
    int64_t constant_length = 0;  // of aggregation constant_length; 0: rollout.max_tokens
    double entropy_coefficient = 0;
    double kl_coefficient = 0;     // of the KL to the reference model
    std::string kl_kind = "k3";    // k1, k2, k3
    std::string kl_in = "loss";    // or "reward"
    int64_t updates = 1;  // passes over a step's samples
  } algorithm;
  struct OptimizerSection {
    double learning_rate = 1e-6;
    std::string decay = "constant";
    double end_learning_rate = 0;
    int64_t warmup_steps = 0;
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double weight_decay = 0;
    double clip_norm = 1;
  } optimizer;
  struct Train {
    int64_t micro_batch_rows = 2048;
    int64_t activations_mib = 1024;  // kept from forward to backward; the rest is computed again
    int64_t ranks = 1;  // of data parallelism: threads of this process
  } train;
  struct CheckpointSection {  // of a run with a folder; the last step of a run always has one
    int64_t every = 10;       // steps; 0: only at the end and when the run is interrupted
    int64_t keep_last = 2;
    int64_t keep_every = 0;  // steps that are multiples of it stay, too; 0: none
  } checkpoint;
};

// Reads `path`, then each "section.key=value" of `overrides` in order. Errors, one line each with the place: a file
// that cannot be read, what is no TOML, an unknown section or key, a value of another type or out of range, a missing
// one.
Result<TrainConfig> read_train_config(const std::string& path, std::span<const std::string> overrides);
Result<TrainConfig> parse_train_config(std::string_view text, const std::string& where,
                                       std::span<const std::string> overrides);

// The reference model's path, "" where the run has none.
std::string reference_path(const TrainConfig& config);

// Every key with its value, as TOML; parse_train_config of it gives the same.
std::string train_config_text(const TrainConfig& config);

}  // namespace invar
