#include "rl/step_events.h"

#include <deque>
#include <filesystem>

namespace invar {

Result<StepEvents> StepEvents::create(const std::string& run_folder, int64_t first_step,
                                      double wall_seconds) {
  const std::string folder = run_folder + "/tensorboard";
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) return error("{}: cannot make the folder: {}", folder, code.message());
  INVAR_TRY(EventWriter writer, EventWriter::create(folder, first_step, wall_seconds));
  return StepEvents(std::move(writer));
}

Status StepEvents::add(const StepRecord& record, double wall_seconds) {
  std::deque<std::string> tags;  // whose texts stay where they are
  std::vector<Scalar> scalars;
  const auto put = [&](const char* group, const std::string& name, double value) {
    tags.push_back(fmt::format("{}/{}", group, name));
    scalars.push_back({tags.back(), static_cast<float>(value)});
  };
  for (const auto& [name, value] : record.metrics) put("train", name, value);
  for (const EvalResult& eval : record.evals) put("eval", eval.name, eval.score);
  for (const auto& [name, value] : record.timings) put("time", name, value);
  return writer_.add(record.step, wall_seconds, scalars);
}

}  // namespace invar
