// Finding runs: the folders below a folder that have a ledger.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace invar {

// Paths of every run.db below `folder` (itself included), sorted; at most 8 folders deep. Hidden folders and links to
// folders are not entered. Errors: `folder` is not a folder or cannot be read; folders below it that cannot be read
// are passed over.
Result<std::vector<std::string>> find_ledgers(const std::string& folder);

// What people call the run of a ledger: its folder.
std::string run_name(const std::string& ledger_path);

}  // namespace invar
