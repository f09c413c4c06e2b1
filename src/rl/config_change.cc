#include "rl/config_change.h"

#include <algorithm>

namespace invar {
namespace {

struct Entry {
  std::string key, value;
};

// "[run]" and "seed = 5" as {"run.seed", "5"}: train_config_text has nothing else.
std::vector<Entry> entries_of(const TrainConfig& config) {
  const std::string text = train_config_text(config);
  std::vector<Entry> entries;
  std::string section;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with('[')) {
      section = line.substr(1, line.size() - 2);
    } else if (const std::size_t equals = line.find(" = "); equals != std::string_view::npos) {
      entries.push_back(
          {fmt::format("{}.{}", section, line.substr(0, equals)), std::string(line.substr(equals + 3))});
    }
  }
  return entries;
}

}  // namespace

std::vector<ConfigChange> config_changes(const TrainConfig& before, const TrainConfig& after) {
  const std::vector<Entry> in_before = entries_of(before), in_after = entries_of(after);
  INVAR_CHECK(in_before.size() == in_after.size(), "{} keys and {}", in_before.size(), in_after.size());
  std::vector<ConfigChange> changes;
  for (std::size_t i = 0; i < in_before.size(); ++i) {
    if (in_before[i].value != in_after[i].value)
      changes.push_back({in_before[i].key, in_before[i].value, in_after[i].value});
  }
  return changes;
}

bool changes_no_bit(std::string_view key) {
  constexpr std::string_view kKeys[] = {
      "model.path",     "run.folder",       "rollout.max_running",  "rollout.prefill_rows",
      "rollout.kv_mib", "reward.workers",   "reward.timeout_s",     "train.micro_batch_rows",
      "train.activations_mib",
      "train.ranks",    "checkpoint.every", "checkpoint.keep_last", "checkpoint.keep_every"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

Status check_resumable(const TrainConfig& before, const TrainConfig& after) {
  for (const ConfigChange& change : config_changes(before, after)) {
    if (changes_no_bit(change.key) || change.key == "run.eval_every") continue;
    if (change.key == "run.steps" && after.optimizer.decay == "constant") continue;
    const char* why = change.key == "run.steps"
                          ? "the learning rate of every step depends on it, with this optimizer.decay; "
                          : "";
    return error("{}: this run began with {}, found {}; {}go on with the same, or choose another run.folder",
                 change.key, change.before, change.after, why);
  }
  return Ok{};
}

Status check_replayable(const TrainConfig& before, const TrainConfig& after) {
  for (const ConfigChange& change : config_changes(before, after)) {
    if (changes_no_bit(change.key)) continue;
    return error("{}: this run was made with {}, found {}; a replay may only change keys that change no bit",
                 change.key, change.before, change.after);
  }
  return Ok{};
}

}  // namespace invar
