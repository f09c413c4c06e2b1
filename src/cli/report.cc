// invar report: one HTML page about one or more runs.
#include <fmt/format.h>

#include <deque>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "io/atomic_file.h"
#include "rl/run_report.h"

namespace invar {
namespace {

Result<std::string> make_report(const ReportCommand& command) {
  std::deque<Ledger> ledgers;
  std::vector<ReportRun> runs;
  for (const std::string& run : command.runs) {
    INVAR_TRY(Ledger ledger, Ledger::open(ledger_path(run), LedgerMode::kRead));
    runs.push_back({.name = run, .ledger = &ledgers.emplace_back(std::move(ledger))});
  }
  return report_html(runs);
}

}  // namespace

int run_report(const ReportCommand& command) {
  const Result<std::string> page = make_report(command);
  if (!page.ok()) return fail(page.message());
  if (command.output == "-") return put(*page) ? 0 : 1;
  const Status written = write_file_atomically(command.output, *page);
  if (!written.ok()) return fail(written.message());
  fmt::print("{}\n", command.output);
  return 0;
}

}  // namespace invar
