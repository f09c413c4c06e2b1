#include "train/schedule.h"

#include <cmath>

#include "numerics/sin_cos.h"
#include "train/named.h"

namespace invar {

Status check_schedule(const Schedule& schedule) {
  if (!std::isfinite(schedule.peak) || schedule.peak <= 0)
    return error("learning rate: expected a number above 0, found {}", schedule.peak);
  if (!(schedule.end >= 0 && schedule.end <= schedule.peak))
    return error("end of the learning rate: expected 0 to the peak {}, found {}", schedule.peak,
                 schedule.end);
  if (schedule.warmup_steps < 0)
    return error("warm-up: expected a number of steps of at least 0, found {}", schedule.warmup_steps);
  if (schedule.decay != Decay::kConstant && schedule.total_steps <= schedule.warmup_steps)
    return error("steps of the schedule: expected more than the {} of its warm-up, found {}",
                 schedule.warmup_steps, schedule.total_steps);
  return Ok{};
}

float learning_rate(const Schedule& schedule, int64_t step) {
  INVAR_CHECK(step >= 0, "step = {}", step);
  if (step < schedule.warmup_steps)
    return static_cast<float>(schedule.peak * static_cast<double>(step + 1) /
                              static_cast<double>(schedule.warmup_steps));
  if (schedule.decay == Decay::kConstant) return static_cast<float>(schedule.peak);
  if (step >= schedule.total_steps) return static_cast<float>(schedule.end);
  const double progress = static_cast<double>(step - schedule.warmup_steps) /
                          static_cast<double>(schedule.total_steps - schedule.warmup_steps);
  double factor = 1.0 - progress;
  if (schedule.decay == Decay::kCosine) {
    constexpr double kPi = 0x1.921fb54442d18p+1;
    factor = 0.5 * (1.0 + static_cast<double>(num::cos(static_cast<float>(kPi * progress))));
  }
  return static_cast<float>(schedule.end + (schedule.peak - schedule.end) * factor);
}

Result<Decay> parse_decay(std::string_view name) {
  constexpr Named<Decay> kNames[] = {
      {"constant", Decay::kConstant}, {"linear", Decay::kLinear}, {"cosine", Decay::kCosine}};
  return find_named(kNames, "decay of the learning rate", name);
}

}  // namespace invar
