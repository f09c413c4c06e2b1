// Verifier: runs a plan against a target and says, row by row, whether every output had the bits it has alone.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "verify/plan.h"
#include "verify/target.h"

namespace invar {

struct RowResult {
  std::string name;
  std::string tried;
  int64_t runs = 0;      // batches
  int64_t outputs = 0;   // compared, each with its request's alone
  int64_t distinct = 0;  // most distinct outputs that one request had, the reference's counted in
  Evidence evidence;
  std::string skipped;      // why nothing ran, or ""
  std::string axis;         // of a failure: "batch x chunk"
  std::string combination;  // the smallest that fails
  std::string difference;   // its first

  bool failed() const { return !axis.empty(); }
};

struct Progress {
  std::string row;
  int64_t run;   // of the row, from 1
  int64_t runs;  // of the row
  double done;   // 0 .. 1, of the estimated work of all rows
};

struct VerifyHooks {
  std::function<bool()> interrupted;
  std::function<void(const Progress&)> progress;
  std::function<void(const RowResult&)> row_done;
  // The outcome of a run in another process: row `restart`, its run `index`.
  std::function<Result<Outcome>(int64_t index)> restart;
};

class Verifier {
 public:
  Verifier(Target& target, const Plan& plan, VerifyHooks hooks);

  // Runs the rows whose names are in `names`, or all. Errors: those of the target; an interruption, after which
  // results() has the rows that were complete.
  Status run(const std::vector<std::string>& names);

  const std::vector<RowResult>& results() const { return results_; }
  bool failed() const;
  // How many requests were run alone in the reference setting, to compare with.
  int64_t references() const { return static_cast<int64_t>(references_.size()); }

 private:
  using Distinct = std::map<int, std::set<std::string>>;  // case: its outputs' identities

  Result<RowResult> run_row(const PlanRow& row);
  Status count(const Run& run, const Outcome& outcome, RowResult& result, Distinct& distinct);
  Status run_once(const PlanRow& row, const Run& run, RowResult& result, Distinct& distinct);
  Status run_restart(const Run& run, int64_t index, RowResult& result, Distinct& distinct);
  Status score(const Run& run, const Outcome& outcome, RowResult& result, Distinct& distinct);
  Status explain(const Run& failing, RowResult& result);
  Result<Outcome> outcome_of(const Run& run);
  Result<const Output*> reference(int index);
  // "" when every output of the run has its reference's bits.
  Result<std::string> difference(const Run& run, const Outcome& outcome);
  std::string describe_run(const Run& run) const;
  void report(const PlanRow& row, int64_t run) const;
  double cost(const Run& run) const;

  Target& target_;
  const Plan& plan_;
  VerifyHooks hooks_;
  std::map<int, Output> references_;
  std::vector<RowResult> results_;
  double cost_done_ = 0, cost_all_ = 1;
};

}  // namespace invar
