// invar runs: the training runs below a folder.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "rl/ledger.h"
#include "rl/run_folder.h"
#include "rl/run_text.h"

namespace invar {
namespace {

// What a row of the table says; `problem` where the ledger cannot be read.
struct Row {
  std::string name, model, started, problem;
  int64_t steps = 0;
  std::optional<int64_t> last_step;
  std::optional<double> reward, score;
};

Status read_run(const std::string& path, Row& row) {
  INVAR_TRY(const Ledger ledger, Ledger::open(path, LedgerMode::kRead));
  INVAR_TRY(const RunInfo info, ledger.run_info());
  row.model = std::filesystem::path(info.model_path).filename().string();
  if (row.model.empty()) row.model = info.model_path;
  row.started = info.created_at;
  INVAR_TRY(const std::vector<StepSummary> steps, ledger.steps());
  row.steps = static_cast<int64_t>(steps.size());
  if (steps.empty()) return Ok{};
  row.last_step = steps.back().step;
  INVAR_TRY(const NamedValues metrics, ledger.metrics(*row.last_step));
  for (const auto& [name, value] : metrics) {
    if (name == metric::kReward) row.reward = value;
  }
  INVAR_TRY(const std::vector<StepEval> evals, ledger.evals());
  if (!evals.empty()) row.score = evals.back().result.score;
  return Ok{};
}

std::string number(const std::optional<double>& value) { return value ? short_number(*value) : "-"; }

void print_json(const Row& row) {
  nlohmann::ordered_json json = {{"run", row.name}};
  if (!row.problem.empty()) {
    json["error"] = row.problem;
  } else {
    json["model"] = row.model;
    json["steps"] = row.steps;
    json["last_step"] = nullptr;
    json["reward"] = nullptr;
    json["score"] = nullptr;
    if (row.last_step) json["last_step"] = *row.last_step;
    if (row.reward) json["reward"] = *row.reward;
    if (row.score) json["score"] = *row.score;
    json["started"] = row.started;
  }
  fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

// Columns as wide as what is in them; the name is never cut, as the other commands take it.
void print_table(const std::vector<Row>& rows) {
  std::size_t name = 3, model = 5;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    model = std::max(model, row.model.size());
  }
  model = std::min<std::size_t>(model, 40);
  fmt::print("{:<{}}  {:<{}}  {:>6}  {:>9}  {:>9}  {}\n", "run", name, "model", model, "steps", "reward",
             "held-out", "started");
  for (const Row& row : rows) {
    if (!row.problem.empty()) {
      fmt::print("{:<{}}  {}\n", printable(row.name), name, printable(row.problem));
    } else {
      fmt::print("{:<{}}  {:<{}}  {:>6}  {:>9}  {:>9}  {}\n", printable(row.name), name,
                 printable(row.model, 40), model, row.steps, number(row.reward), number(row.score),
                 printable(row.started, 40));
    }
  }
}

}  // namespace

int run_runs(const RunsCommand& command) {
  const auto paths = find_ledgers(command.folder);
  if (!paths.ok()) return fail(paths.message());
  std::vector<Row> rows;
  for (const std::string& path : *paths) {
    Row row{.name = run_name(path)};
    if (const Status status = read_run(path, row); !status.ok()) row.problem = status.message();
    rows.push_back(std::move(row));
  }
  if (command.json) {
    for (const Row& row : rows) print_json(row);
  } else if (rows.empty()) {
    fmt::print("no runs below {}; `invar train` makes one\n", printable(command.folder));
  } else {
    print_table(rows);
  }
  return 0;
}

}  // namespace invar
