#include "verify/verifier.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/queue.h"

namespace invar {
namespace {

// Runs that shrinking a failure may take.
constexpr int64_t kShrinkRuns = 80;

}  // namespace

Verifier::Verifier(Target& target, const Plan& plan, VerifyHooks hooks)
    : target_(target), plan_(plan), hooks_(std::move(hooks)) {}

bool Verifier::failed() const {
  return std::any_of(results_.begin(), results_.end(), [](const RowResult& row) { return row.failed(); });
}

// For the time that is left, roughly, in rows of prefill.
double Verifier::cost(const Run& run) const {
  const Setting& s = run.setting;
  double prefill = 0;
  double decode = 0;
  for (int c : run.cases) {
    prefill += static_cast<double>(plan_.cases[static_cast<std::size_t>(c)].prompt.size());
    decode += static_cast<double>(plan_.cases[static_cast<std::size_t>(c)].sampling.max_tokens);
  }
  if (s[kCache] == kCacheShared) prefill = std::min(prefill, 1500.0);
  if (s[kCache] >= kCacheHit) prefill *= 1.5;
  prefill *= s[kChunk] == 0 || s[kChunk] > 16 ? 1 : s[kChunk] == 1 ? 7 : 2;
  return prefill + decode * (s[kBatch] <= 1 ? 7 : 3);
}

Status Verifier::run(const std::vector<std::string>& names) {
  const auto wanted = [&names](const PlanRow& row) {
    return names.empty() || std::find(names.begin(), names.end(), row.name) != names.end();
  };
  cost_all_ = cost_done_ = 0;
  for (const PlanRow& row : plan_.rows) {
    if (!wanted(row)) continue;
    for (const Run& run : row.runs) cost_all_ += cost(run);
  }
  for (const PlanRow& row : plan_.rows) {
    if (!wanted(row)) continue;
    INVAR_TRY(RowResult result, run_row(row));
    results_.push_back(std::move(result));
    if (hooks_.row_done) hooks_.row_done(results_.back());
  }
  return Ok{};
}

void Verifier::report(const PlanRow& row, int64_t run) const {
  if (!hooks_.progress) return;
  hooks_.progress({.row = row.name,
                   .run = run + 1,
                   .runs = static_cast<int64_t>(row.runs.size()),
                   .done = cost_all_ > 0 ? cost_done_ / cost_all_ : 0});
}

Result<RowResult> Verifier::run_row(const PlanRow& row) {
  RowResult result{.name = row.name, .tried = row.tried};
  if (row.kind == RowKind::kScored) result.skipped = target_.cannot_score();
  if (row.kind == RowKind::kRestart && !hooks_.restart) result.skipped = "no program to start again";
  if (!result.skipped.empty()) return result;
  Distinct distinct;
  for (std::size_t i = 0; i < row.runs.size(); ++i) {
    report(row, static_cast<int64_t>(i));
    if (row.kind == RowKind::kRestart) {
      INVAR_RETURN_IF_ERROR(run_restart(row.runs[i], static_cast<int64_t>(i), result, distinct));
    } else {
      INVAR_RETURN_IF_ERROR(run_once(row, row.runs[i], result, distinct));
    }
    cost_done_ += cost(row.runs[i]);
  }
  for (const auto& [index, identities] : distinct)
    result.distinct = std::max(result.distinct, static_cast<int64_t>(identities.size()));
  return result;
}

Result<Outcome> Verifier::outcome_of(const Run& run) {
  if (hooks_.interrupted && hooks_.interrupted()) return error("interrupted");
  INVAR_TRY(Outcome outcome, target_.run(cases_of(plan_, run), run.setting));
  INVAR_CHECK(outcome.outputs.size() == run.cases.size(), "{} outputs of {} cases", outcome.outputs.size(),
              run.cases.size());
  return outcome;
}

Result<const Output*> Verifier::reference(int index) {
  const auto found = references_.find(index);
  if (found != references_.end()) return &found->second;
  INVAR_TRY(Outcome outcome, outcome_of({.cases = {index}, .setting = plan_.reference}));
  return &references_.emplace(index, std::move(outcome.outputs.front())).first->second;
}

Result<std::string> Verifier::difference(const Run& run, const Outcome& outcome) {
  for (std::size_t i = 0; i < run.cases.size(); ++i) {
    INVAR_TRY(const Output* alone, reference(run.cases[i]));
    const std::string found = first_difference(*alone, outcome.outputs[i]);
    if (!found.empty()) return fmt::format("request {} of {}: {}", i + 1, run.cases.size(), found);
  }
  return std::string();
}

Status Verifier::count(const Run& run, const Outcome& outcome, RowResult& result, Distinct& distinct) {
  ++result.runs;
  result.evidence += outcome.evidence;
  for (std::size_t i = 0; i < run.cases.size(); ++i) {
    INVAR_TRY(const Output* alone, reference(run.cases[i]));
    std::set<std::string>& seen = distinct[run.cases[i]];
    seen.insert(identity(*alone));
    seen.insert(identity(outcome.outputs[i]));
    ++result.outputs;
  }
  return Ok{};
}

Status Verifier::run_once(const PlanRow& row, const Run& run, RowResult& result, Distinct& distinct) {
  INVAR_TRY(const Outcome outcome, outcome_of(run));
  INVAR_RETURN_IF_ERROR(count(run, outcome, result, distinct));
  INVAR_TRY(const std::string found, difference(run, outcome));
  if (!found.empty() && !result.failed()) return explain(run, result);
  if (row.kind == RowKind::kScored && !result.failed()) return score(run, outcome, result, distinct);
  return Ok{};
}

Status Verifier::explain(const Run& failing, RowResult& result) {
  const Attempt attempt = [this](const Run& run) -> Result<std::string> {
    INVAR_TRY(const Outcome outcome, outcome_of(run));
    return difference(run, outcome);
  };
  INVAR_TRY(const Smallest smallest, shrink(attempt, target_.axes(), failing, kShrinkRuns));
  result.axis = smallest.axes;
  result.combination = describe_run(smallest.run);
  result.difference = smallest.difference;
  return Ok{};
}

std::string Verifier::describe_run(const Run& run) const {
  const std::string setting = describe(run.setting, plan_.reference, target_.axes());
  std::string requests;
  for (std::size_t i = 0; i < run.cases.size() && i < 4; ++i) {
    const Case& c = plan_.cases[static_cast<std::size_t>(run.cases[i])];
    const std::string length =
        c.prompt.empty() ? fmt::format("{} bytes", c.text.size()) : fmt::format("{} tokens", c.prompt.size());
    requests += (i == 0 ? "" : ", ") + length + (c.sampling.temperature == 0 ? " greedy" : " sampled");
  }
  if (run.cases.size() > 4) requests += ", ...";
  return fmt::format("{}; {} request{}: {}", setting, run.cases.size(), run.cases.size() == 1 ? "" : "s",
                     requests);
}

Status Verifier::score(const Run& run, const Outcome& outcome, RowResult& result, Distinct& distinct) {
  for (std::size_t i = 0; i < run.cases.size(); ++i) {
    if (hooks_.interrupted && hooks_.interrupted()) return error("interrupted");
    const Case& c = plan_.cases[static_cast<std::size_t>(run.cases[i])];
    INVAR_TRY(std::vector<double> scored, target_.score(c, outcome.outputs[i], run.setting));
    Output read = outcome.outputs[i];
    read.log_probs = std::move(scored);
    distinct[run.cases[i]].insert(identity(read));
    ++result.outputs;
    const std::string found = first_difference(outcome.outputs[i], read);
    if (found.empty() || result.failed()) continue;
    result.axis = "decode";
    result.combination = describe_run({.cases = {run.cases[i]}, .setting = run.setting});
    result.difference = found + " ('alone' was decoded, 'here' was read as a prompt)";
  }
  return Ok{};
}

Status Verifier::run_restart(const Run& run, int64_t index, RowResult& result, Distinct& distinct) {
  if (hooks_.interrupted && hooks_.interrupted()) return error("interrupted");
  INVAR_TRY(const Outcome outcome, hooks_.restart(index));
  if (outcome.outputs.size() != run.cases.size())
    return error("the other process gave {} outputs, expected {}", outcome.outputs.size(), run.cases.size());
  INVAR_RETURN_IF_ERROR(count(run, outcome, result, distinct));
  INVAR_TRY(const std::string found, difference(run, outcome));
  if (found.empty() || result.failed()) return Ok{};
  // The same run here: what fails here too is another axis's fault.
  INVAR_TRY(const Outcome here, outcome_of(run));
  INVAR_TRY(const std::string found_here, difference(run, here));
  if (!found_here.empty()) return explain(run, result);
  result.axis = "restart";
  result.combination = describe_run(run);
  result.difference = found;
  return Ok{};
}

}  // namespace invar
