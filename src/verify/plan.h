// Plan: everything that a proof will run, as data: a function of the options, the axes and one seed.
#pragma once

#include <string>
#include <vector>

#include "verify/cases.h"
#include "verify/shrink.h"

namespace invar {

enum class RowKind {
  kRuns,     // each output against the one of its request alone
  kScored,   // and its log-probs against those of the same tokens read as a prompt
  kRestart,  // the run in another process against the one here
};

// A line of the table.
struct PlanRow {
  std::string name;   // what --axis knows it as
  std::string tried;  // for a person: which settings
  RowKind kind = RowKind::kRuns;
  std::vector<Run> runs;
};

struct Plan {
  std::vector<Case> cases;
  std::vector<PlanRow> rows;
  Setting reference;
};

// The cases of a run, in its order.
std::vector<Case> cases_of(const Plan& plan, const Run& run);

struct PlanSize {
  int64_t trials;             // of each of the announcement's three tests
  int64_t batch_max;          // of them; the single test's batches are 1 .. batch_max
  int64_t products;           // random combinations of all axes
  int64_t output_tokens;      // of each output
  int64_t prompt_tokens_max;  // 0: as the texts are
  int64_t restarts;
  bool brief;  // fewer prompts on each axis
};
// How long a target takes for a token: a tiny model; a small one in fma32; what has tens of tokens a second.
enum class Pace { kFast, kMedium, kSlow };
PlanSize plan_size(bool quick, Pace pace);

struct PlanOptions {
  PlanSize size;
  uint64_t seed = 0;
  int64_t context = 0;  // of the model; 0: unknown
  bool server = false;  // seen from outside: no process of ours to restart
  Encode encode;
};

// Every name that --axis knows, in the order of the table.
std::vector<std::string> row_names(std::span<const Axis> axes, bool server);

Plan make_plan(const PlanOptions& options, std::span<const Axis> axes);

}  // namespace invar
