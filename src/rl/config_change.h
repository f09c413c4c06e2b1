// What may change between two starts of one run, and what may not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rl/train_config.h"

namespace invar {

// A key whose values differ, as TOML.
struct ConfigChange {
  std::string key, before, after;  // "run.seed", "5", "6"
};

// In the order of train_config_text.
std::vector<ConfigChange> config_changes(const TrainConfig& before, const TrainConfig& after);

// Whether a run of any value of `key` has the same bits: how work is cut and where things are. The model's path is such
// a key because the model's fingerprint is compared.
bool changes_no_bit(std::string_view key);

// Whether a run that began with `before` may go on with `after`. Beside the keys that change no bit these may differ:
// run.eval_every, which decides what is measured and not what is trained, and run.steps where no learning rate
// depends on it. Errors: the first other key that differs, with both values.
Status check_resumable(const TrainConfig& before, const TrainConfig& after);

// The same for a step that is computed again: only keys that change no bit may differ.
Status check_replayable(const TrainConfig& before, const TrainConfig& after);

}  // namespace invar
