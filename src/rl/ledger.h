// The ledger of a run: run.db in the run's folder, one SQLite file that holds all of a run that can be compared.
//
// One transaction a step: a process killed at any moment, a full disk or a power cut leave whole steps only. Each step
// is chained to the one before by SHA-256 (ledger_hashes.h), so equal chain hashes mean equal histories. Tables and
// columns are in ledger_schema.h. One process writes; any number read, also while it does.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rl/ledger_database.h"
#include "rl/ledger_record.h"

namespace invar {

// A row of the tables `steps` and `hashes`.
struct StepSummary {
  int64_t step = 0;
  int64_t samples = 0;
  int64_t tokens = 0;  // generated, of all samples
  StepHashes hashes;
  std::string chain;
};

struct StepValue {
  int64_t step = 0;
  double value = 0;
};
using Series = std::map<std::string, std::vector<StepValue>>;  // by name, in ascending order of steps

struct StepEval {
  int64_t step = 0;
  EvalResult result;
};

enum class LedgerMode { kRead, kWrite };

// run.db of a run's folder; a path of a file stays as it is.
std::string ledger_path(const std::string& run);

class Ledger {
 public:
  // `path` is the file. For writing an absent or empty file becomes a ledger, and the whole file is checked.
  // Errors: no ledger, another version, damaged, a chain that does not follow from its hashes, another process that
  // writes it. Nothing is changed then.
  static Result<Ledger> open(const std::string& path, LedgerMode mode);

  Ledger(Ledger&& other) noexcept;
  Ledger& operator=(Ledger&&) = delete;
  ~Ledger();

  const std::string& path() const { return database_.path(); }

  // Errors: the ledger holds a run of another model, numerics version, profile or seed.
  Status check_run(const RunInfo& info) const;
  // Once before append(), also to go on with a run. Errors: those of check_run.
  Status begin(const RunInfo& info);

  // Records a step, whole or not at all, safely on the disk when this returns; gives its chain hash. Steps follow each
  // other; the first may have any number >= 0. Errors: not the next step, disk full, I/O; afterwards the ledger is as
  // before and append() may be tried again.
  Result<std::string> append(const StepRecord& record);

  // Forgets the steps after `step`, to go on from a checkpoint of it; -1 forgets all. Errors: disk full, I/O.
  Status forget_after(int64_t step);

  // Errors of all readers: the file is damaged, I/O.
  Result<RunInfo> run_info() const;                // as it began; an error where it has not
  Result<std::vector<RunInfo>> starts() const;     // each begin(), oldest first
  Result<std::vector<StepSummary>> steps() const;  // ascending
  // The samples of a step in index order, as recorded: whether they have the recorded hash is the reader's to ask
  // (hash_rollouts). Errors also: no such step.
  Result<std::vector<RolloutRecord>> rollouts(int64_t step) const;
  Result<NamedValues> metrics(int64_t step) const;  // in the order recorded
  Result<NamedValues> timings(int64_t step) const;
  Result<Series> metrics() const;
  Result<Series> timings() const;
  Result<std::vector<StepEval>> evals() const;  // by step, then in the order recorded

 private:
  Ledger(Database database, int lock) : database_(std::move(database)), lock_(lock) {}
  Status prepare_file();
  Status check_version() const;
  Status check_chain() const;
  Status insert(const StepRecord& record, const StepHashes& hashes, const std::string& chain);
  Status insert_rollouts(const StepRecord& record);
  Status insert_values(const char* sql, int64_t step, const NamedValues& values);
  Result<NamedValues> values(const char* sql, int64_t step) const;
  Result<Series> series(const char* sql) const;
  Result<std::optional<StepSummary>> last() const;
  // Runs `body` as one transaction, undone when it fails.
  template <class Body>
  Status transact(const std::string& doing, Body&& body);

  Database database_;
  int lock_ = -1;  // of the writer, on the file <path>.lock
  bool begun_ = false;
};

}  // namespace invar
