// The parts of the report, each a string of HTML.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rl/ledger.h"
#include "rl/run_diff.h"

namespace invar {

// All that the report says of a run, read once.
struct ReportData {
  std::string name;
  const Ledger* ledger;
  std::vector<RunInfo> starts;
  std::vector<StepSummary> steps;
  Series metrics, timings;
  std::vector<StepEval> evals;
  std::optional<RunDiff> diff;  // with the first run; none for the first, or where they cannot be compared
  std::string diff_problem;     // why they cannot be compared

  const StepSummary* at(int64_t step) const;  // nullptr where it has no such step
};

extern const char* const kReportStyle;  // the style sheet

std::string report_verdict(const std::vector<ReportData>& runs);
std::string report_runs(const std::vector<ReportData>& runs);
std::string report_charts(const std::vector<ReportData>& runs);
std::string report_hashes(const std::vector<ReportData>& runs);
// Samples of the first, the middle and the last step of the first run.
Result<std::string> report_samples(const std::vector<ReportData>& runs);
std::string report_configs(const std::vector<ReportData>& runs);

}  // namespace invar
