// Report: the rows of a proof as a table for a person, or as JSON.
#pragma once

#include <string>

#include "io/json.h"
#include "verify/verifier.h"

namespace invar {

// "axis  settings tried  runs  outputs  distinct  verdict"
std::string table_header();
// One line, and for a failure three more: the axis, the smallest combination, its difference.
std::string table_row(const RowResult& row);

nlohmann::ordered_json row_json(const RowResult& row);

// Outputs from one process to another, floats in full.
Json outcome_json(const Outcome& outcome);
Result<Outcome> parse_outcome(const Json& json);

}  // namespace invar
