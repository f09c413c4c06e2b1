// Where two runs first differ: the step, then which hash, then the sample, then the token, then the tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/json.h"
#include "rl/ledger.h"
#include "rl/tensor_diff.h"

namespace invar {

// One value of both runs as text.
struct Sides {
  std::string name, a, b;
  bool same() const { return a == b; }
};

struct TokenDifference {
  int64_t position = 0;  // in the answer, from 0
  // The token of each run; none where the answer is shorter.
  struct Side {
    int32_t token = 0;
    float log_prob = 0;
    std::string text;  // the piece of the answer, where it was recorded
  };
  std::optional<Side> a, b;
};

// The first sample (index order) that differs. a or b is absent where that run has fewer samples.
struct SampleDifference {
  int64_t index = 0;
  std::optional<RolloutRecord> a, b;
  std::vector<Sides> fields;             // of the hashed fields other than the answer, those that differ
  std::optional<TokenDifference> token;  // where the answers differ
  std::optional<int64_t> moved_to;       // b has the sample of a, but here: only the order differs
  int64_t samples_differing = 0;         // in this step
  int64_t samples = 0;                   // the larger of both counts
};

struct StepDifference {
  int64_t step = 0;
  std::vector<Sides> hashes;  // all five: rollouts, rewards, gradients, weights, optimizer, in order of cause
  bool a_altered = false;     // the rows of a do not have the hash that a recorded: the file was changed
  bool b_altered = false;
  std::optional<SampleDifference> sample;
  std::vector<Sides> values;  // metrics and scores whose bits differ
  // Of the checkpoints of this step, where both runs have one and weights or optimizer differ. The caller's to fill in:
  // a ledger does not know of checkpoints.
  std::optional<TensorDifference> tensor;

  bool state_differs() const { return !hashes.at(3).same() || !hashes.at(4).same(); }
};

struct RunDiff {
  int64_t first = 0, last = 0;  // the steps that both have and that were compared
  int64_t a_last = 0, b_last = 0;
  std::vector<Sides> settings;  // model, numerics version, profile, seed: those that differ
  std::vector<Sides> config;    // lines of the configs that only one has
  std::optional<StepDifference> difference;

  bool identical() const { return !difference; }
};

// A step of a run, as much of it as is compared.
struct StepContents {
  StepHashes hashes;
  std::vector<RolloutRecord> rollouts;
  NamedValues values;  // metrics and scores
};

// The score's name among the values.
std::string score_name(const EvalResult& eval);

// Errors: those of Ledger::rollouts and metrics. `evals`: of the ledger.
Result<StepContents> read_step(const Ledger& ledger, const StepSummary& summary,
                               const std::vector<StepEval>& evals);

// Nothing where hashes, rows and values are equal and the rows have the hashes that stand beside them.
std::optional<StepDifference> diff_steps(int64_t step, const StepContents& a, const StepContents& b);

// Compares hashes, metrics, scores and the recorded rows of every step both have; wall times never. Errors: a ledger
// that cannot be read or has no run, no step in common.
Result<RunDiff> diff_runs(const Ledger& a, const Ledger& b);

// As text of some lines, for a terminal; names are what the user called the runs.
std::string diff_text(const RunDiff& diff, const std::string& name_a, const std::string& name_b);
nlohmann::ordered_json diff_json(const RunDiff& diff);
// The same of one step's difference alone.
std::string step_text(const StepDifference& difference);
nlohmann::ordered_json step_json(const StepDifference& difference);

// The piece of the answer that a token gave; empty when that was not recorded.
std::string_view token_text(const RolloutRecord& rollout, std::size_t token);

}  // namespace invar
