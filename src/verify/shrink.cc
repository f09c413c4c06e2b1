#include "verify/shrink.h"

#include <algorithm>

namespace invar {
namespace {

class Shrinker {
 public:
  Shrinker(const Attempt& attempt, std::span<const Axis> axes, const Run& failing, int64_t attempts_max)
      : attempt_(attempt), axes_(axes), reference_(reference_setting(axes)), attempts_max_(attempts_max) {
    smallest_.run = failing;
  }

  Result<Smallest> run() {
    INVAR_TRY(const bool again, still_fails(smallest_.run));
    if (!again) {
      smallest_.axes = "repetition";
      smallest_.difference = "the same run gave the reference's bits the second time";
      return smallest_;
    }
    bool smaller = true;
    while (smaller) {
      INVAR_TRY(const bool axes, put_back_axes());
      INVAR_TRY(const bool cases, leave_out_cases());
      smaller = axes || cases;
    }
    INVAR_RETURN_IF_ERROR(smaller_values());
    name();
    return smallest_;
  }

 private:
  // Keeps the run and its difference when it fails.
  Result<bool> still_fails(const Run& run) {
    if (smallest_.attempts >= attempts_max_) return false;
    ++smallest_.attempts;
    INVAR_TRY(std::string difference, attempt_(run));
    if (difference.empty()) return false;
    smallest_.run = run;
    smallest_.difference = std::move(difference);
    return true;
  }

  Result<bool> put_back_axes() {
    bool any = false;
    for (const Axis& axis : axes_) {
      if (smallest_.run.setting[axis.id] == reference_[axis.id]) continue;
      Run tried = smallest_.run;
      tried.setting[axis.id] = reference_[axis.id];
      INVAR_TRY(const bool fails, still_fails(tried));
      any |= fails;
    }
    return any;
  }

  // Halves first, then quarters, then single cases.
  Result<bool> leave_out_cases() {
    bool any = false;
    for (std::size_t part = smallest_.run.cases.size() / 2; part > 0; part /= 2) {
      for (std::size_t begin = 0; begin < smallest_.run.cases.size() && smallest_.run.cases.size() > part;) {
        Run tried = smallest_.run;
        const auto first = tried.cases.begin() + static_cast<std::ptrdiff_t>(begin);
        tried.cases.erase(first,
                          first + static_cast<std::ptrdiff_t>(std::min(part, tried.cases.size() - begin)));
        INVAR_TRY(const bool fails, still_fails(tried));
        any |= fails;
        if (!fails) begin += part;
      }
    }
    return any;
  }

  // Of each axis that matters, the first listed value that fails; those of a seed are as good as one another.
  Status smaller_values() {
    for (const Axis& axis : axes_) {
      const int64_t value = smallest_.run.setting[axis.id];
      if (value == reference_[axis.id] || axis.seeded) continue;
      for (std::size_t i = 1; i < axis.values.size() && axis.values[i] != value; ++i) {
        Run tried = smallest_.run;
        tried.setting[axis.id] = axis.values[i];
        INVAR_TRY(const bool fails, still_fails(tried));
        if (fails) break;
      }
    }
    return Ok{};
  }

  void name() {
    for (const Axis& axis : axes_) {
      if (smallest_.run.setting[axis.id] == reference_[axis.id]) continue;
      smallest_.axes += (smallest_.axes.empty() ? "" : " x ") + std::string(axis.name);
    }
    if (smallest_.axes.empty()) smallest_.axes = smallest_.run.cases.size() > 1 ? "neighbours" : "repetition";
  }

  const Attempt& attempt_;
  std::span<const Axis> axes_;
  Setting reference_;
  int64_t attempts_max_;
  Smallest smallest_;
};

}  // namespace

Result<Smallest> shrink(const Attempt& attempt, std::span<const Axis> axes, const Run& failing,
                        int64_t attempts_max) {
  return Shrinker(attempt, axes, failing, attempts_max).run();
}

}  // namespace invar
