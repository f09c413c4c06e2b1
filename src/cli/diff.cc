// invar diff: where two runs first differ.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "rl/run_diff.h"
#include "rl/run_folder.h"

namespace invar {
namespace {

constexpr int kCannotCompare = 2;

Result<RunDiff> compare(const DiffCommand& command) {
  INVAR_TRY(const Ledger a, Ledger::open(ledger_path(command.a), LedgerMode::kRead));
  INVAR_TRY(const Ledger b, Ledger::open(ledger_path(command.b), LedgerMode::kRead));
  INVAR_TRY(RunDiff diff, diff_runs(a, b));
  if (diff.difference && diff.difference->state_differs())
    diff.difference->tensor = diff_tensors(run_name(a.path()), run_name(b.path()), diff.difference->step);
  return diff;
}

}  // namespace

int run_diff(const DiffCommand& command) {
  const Result<RunDiff> diff = compare(command);
  if (!diff.ok()) {
    fail(diff.message());
    return kCannotCompare;
  }
  if (command.json) {
    fmt::print("{}\n",
               diff_json(*diff).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", diff_text(*diff, command.a, command.b));
  }
  return diff->identical() ? 0 : 1;
}

}  // namespace invar
