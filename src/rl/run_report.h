// The report about runs: one HTML page that needs nothing else, neither network nor scripts.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "rl/ledger.h"

namespace invar {

struct ReportRun {
  std::string name;  // as the user called it
  const Ledger* ledger;
};

// The first run is what the others are compared with, and whose samples are shown; at least one run. Every text of a
// run is escaped. Errors: a ledger that cannot be read or has no run.
Result<std::string> report_html(std::span<const ReportRun> runs);

}  // namespace invar
