#include "rl/run_report.h"

#include "rl/run_report_page.h"
#include "rl/run_text.h"

namespace invar {
namespace {

Result<ReportData> read_run(const ReportRun& run) {
  ReportData data{.name = run.name, .ledger = run.ledger};
  INVAR_TRY(const RunInfo began, run.ledger->run_info());  // its error says that there is no run
  INVAR_TRY(data.starts, run.ledger->starts());
  INVAR_TRY(data.steps, run.ledger->steps());
  INVAR_TRY(data.metrics, run.ledger->metrics());
  INVAR_TRY(data.timings, run.ledger->timings());
  INVAR_TRY(data.evals, run.ledger->evals());
  return data;
}

}  // namespace

const StepSummary* ReportData::at(int64_t step) const {
  // Steps follow each other without gaps.
  if (steps.empty() || step < steps.front().step || step > steps.back().step) return nullptr;
  return &steps[static_cast<std::size_t>(step - steps.front().step)];
}

Result<std::string> report_html(std::span<const ReportRun> runs) {
  INVAR_CHECK(!runs.empty());
  std::vector<ReportData> data;
  for (const ReportRun& run : runs) {
    INVAR_TRY(ReportData read, read_run(run));
    if (!data.empty()) {
      Result<RunDiff> diff = diff_runs(*runs.front().ledger, *run.ledger);
      if (diff.ok()) {
        read.diff = *std::move(diff);
      } else {
        read.diff_problem = diff.message();
      }
    }
    data.push_back(std::move(read));
  }
  INVAR_TRY(const std::string samples, report_samples(data));
  const std::string title = runs.size() == 1 ? runs.front().name : fmt::format("{} runs", runs.size());
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Invar: "
      "{0}</title>\n<style>{1}</style>\n</head>\n"
      "<body>\n<main>\n<h1>{0}</h1>\n{2}{3}{4}{5}{6}{7}</main>\n</body>\n</html>\n",
      html(title), kReportStyle, report_verdict(data), report_charts(data), report_hashes(data), samples,
      report_runs(data), report_configs(data));
}

}  // namespace invar
