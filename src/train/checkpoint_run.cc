// The checkpoints of a run: the newest that is whole, what is left of killed writers, and pruning.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "io/atomic_file.h"
#include "io/atomic_folder.h"
#include "train/checkpoint.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

// The step of a folder's name; nothing if it is not one that checkpoint_path gives.
std::optional<int64_t> step_of(std::string_view name) {
  constexpr std::string_view kPrefix = "checkpoint-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  int64_t step = -1;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (parsed.ec != std::errc() || step < 0 || checkpoint_path("", step) != "/" + std::string(name))
    return std::nullopt;
  return step;
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (auto entry = fs::directory_iterator(folder, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    names.push_back(entry->path().filename().string());
  }
  if (code) return error("{}: cannot list the folder: {}", folder, code.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<std::vector<int64_t>> checkpoint_steps(const std::string& run_folder) {
  INVAR_TRY(const std::vector<std::string> names, names_in(run_folder));
  std::vector<int64_t> steps;
  for (const std::string& name : names) {
    if (const auto step = step_of(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

Result<LatestCheckpoint> latest_checkpoint(const std::string& run_folder) {
  INVAR_TRY(const std::vector<int64_t> steps, checkpoint_steps(run_folder));
  LatestCheckpoint latest;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    Result<Checkpoint> checkpoint = Checkpoint::open(checkpoint_path(run_folder, *step));
    if (checkpoint) {
      latest.checkpoint = std::move(*checkpoint);
      break;
    }
    latest.skipped.push_back(fmt::format("skipped a checkpoint that is not whole: {}", checkpoint.message()));
  }
  return latest;
}

Result<int64_t> remove_unfinished_checkpoints(const std::string& run_folder) {
  INVAR_TRY(const std::vector<std::string> names, names_in(run_folder));
  int64_t removed = 0;
  for (const std::string& name : names) {
    if (!step_of(target_of_temporary(name))) continue;
    std::error_code code;
    fs::remove_all(run_folder + "/" + name, code);
    if (code) return error("{}/{}: cannot remove: {}", run_folder, name, code.message());
    ++removed;
  }
  if (removed > 0) INVAR_RETURN_IF_ERROR(sync_folder(run_folder));
  return removed;
}

Status prune_checkpoints(const std::string& run_folder, int64_t saved, const CheckpointPolicy& policy) {
  INVAR_CHECK(policy.keep_last >= 1 && policy.keep_every >= 0, "keep {} and every {}", policy.keep_last,
              policy.keep_every);
  INVAR_TRY(std::vector<int64_t> steps, checkpoint_steps(run_folder));
  std::erase_if(steps, [&](int64_t step) { return step > saved; });
  const auto last =
      static_cast<std::size_t>(std::min<int64_t>(policy.keep_last, static_cast<int64_t>(steps.size())));
  steps.resize(steps.size() - last);
  for (const int64_t step : steps) {
    if (step == saved || (policy.keep_every > 0 && step % policy.keep_every == 0)) continue;
    INVAR_RETURN_IF_ERROR(remove_folder_atomically(checkpoint_path(run_folder, step)));
  }
  return Ok{};
}

}  // namespace invar
