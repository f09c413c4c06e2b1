// invar show: a run and its steps; one step and its samples; one sample, token by token.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "rl/ledger.h"
#include "rl/ledger_hashes.h"
#include "rl/run_diff.h"
#include "rl/run_folder.h"
#include "rl/run_text.h"

namespace invar {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kChainDigits = 12;
constexpr std::size_t kTextColumns = 48;

void print_json(const OrderedJson& json) {
  fmt::print("{}\n", json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

OrderedJson values_json(const NamedValues& values) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, value] : values) json[name] = value;  // NaN becomes null
  return json;
}

OrderedJson hashes_json(const StepSummary& step) {
  return {{"rollouts", step.hashes.rollouts},   {"rewards", step.hashes.rewards},
          {"gradients", step.hashes.gradients}, {"weights", step.hashes.weights},
          {"optimizer", step.hashes.optimizer}, {"chain", step.chain}};
}

std::string bits(float value) { return fmt::format("{:08x}", std::bit_cast<uint32_t>(value)); }

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

OrderedJson rollout_json(std::size_t index, const RolloutRecord& rollout) {
  OrderedJson json = {
      {"index", index},           {"prompt_id", rollout.prompt_id}, {"sample", rollout.sample},
      {"seed", rollout.seed},     {"reward", rollout.reward},       {"advantage", rollout.advantage},
      {"kept", rollout.kept},     {"finish", rollout.finish},       {"prompt_text", rollout.prompt_text},
      {"text", rollout.text},     {"label", rollout.label},         {"prompt", rollout.prompt},
      {"tokens", rollout.tokens}, {"log_probs", rollout.log_probs}};
  for (const float log_prob : rollout.log_probs) json["log_prob_bits"].push_back(bits(log_prob));
  return json;
}

// A column of the table of steps: a metric, a timing or a held-out score by step.
struct Column {
  std::string title;
  std::vector<StepValue> values;

  std::string at(int64_t step) const {
    for (const StepValue& value : values) {
      if (value.step == step) return short_number(value.value);
    }
    return "-";
  }
};

Result<std::vector<Column>> read_columns(const Ledger& ledger) {
  std::vector<Column> columns;
  INVAR_TRY(const Series metrics, ledger.metrics());
  INVAR_TRY(const Series timings, ledger.timings());
  INVAR_TRY(const std::vector<StepEval> evals, ledger.evals());
  for (const char* name : {metric::kReward, metric::kKl, metric::kEntropy, metric::kLength}) {
    if (const auto found = metrics.find(name); found != metrics.end())
      columns.push_back({name, found->second});
  }
  Column score{"held-out", {}};
  for (const StepEval& eval : evals) {
    if (eval.result.name == evals.front().result.name) score.values.push_back({eval.step, eval.result.score});
  }
  if (!score.values.empty()) columns.push_back(std::move(score));
  if (const auto found = timings.find(metric::kTokensPerS); found != timings.end())
    columns.push_back({metric::kTokensPerS, found->second});
  return columns;
}

class Show {
 public:
  Show(const ShowCommand& command, const Ledger& ledger) : command_(command), ledger_(ledger) {}

  Status run() {
    INVAR_TRY(starts_, ledger_.starts());
    if (starts_.empty()) return ledger_.run_info().take_error();
    INVAR_TRY(steps_, ledger_.steps());
    if (!command_.step && !command_.sample) return command_.json ? run_json() : run_text();
    if (steps_.empty()) return error("{}: expected a step to show, found none yet", ledger_.path());
    const int64_t wanted = command_.step.value_or(steps_.back().step);
    for (const StepSummary& step : steps_) {
      if (step.step == wanted) return show_step(step);
    }
    return error("--step: expected {} to {}, found {}", steps_.front().step, steps_.back().step, wanted);
  }

 private:
  Status run_json() {
    const RunInfo& info = starts_.front();
    OrderedJson json = {{"run", run_name(ledger_.path())}, {"model", info.model_path},
                        {"fingerprint", info.fingerprint}, {"numerics_version", info.numerics_version},
                        {"profile", info.profile},         {"seed", info.seed},
                        {"started", info.created_at},      {"config", info.config}};
    json["resumed_at_steps"] = OrderedJson::array();
    for (std::size_t i = 1; i < starts_.size(); ++i)
      json["resumed_at_steps"].push_back(starts_[i].first_step);
    json["steps"] = OrderedJson::array();
    for (const StepSummary& step : steps_) {
      INVAR_TRY(const NamedValues metrics, ledger_.metrics(step.step));
      INVAR_TRY(const NamedValues timings, ledger_.timings(step.step));
      json["steps"].push_back({{"step", step.step},
                               {"samples", step.samples},
                               {"tokens", step.tokens},
                               {"metrics", values_json(metrics)},
                               {"timings", values_json(timings)},
                               {"hashes", hashes_json(step)}});
    }
    INVAR_TRY(const std::vector<StepEval> evals, ledger_.evals());
    json["evals"] = OrderedJson::array();
    for (const StepEval& eval : evals)
      json["evals"].push_back({{"step", eval.step},
                               {"name", eval.result.name},
                               {"prompts", eval.result.prompts},
                               {"score", eval.result.score}});
    print_json(json);
    return Ok{};
  }

  void print_head() const {
    const RunInfo& info = starts_.front();
    const auto line = [](const char* name, const std::string& value) {
      fmt::print("{:<10} {}\n", name, value);
    };
    line("run", printable(run_name(ledger_.path())));
    line("model", fmt::format("{} ({:.16}...)", printable(info.model_path), printable(info.fingerprint)));
    line("numerics", fmt::format("version {}, profile {}", info.numerics_version, printable(info.profile)));
    line("seed", std::to_string(info.seed));
    line("started", printable(info.created_at));
    std::string resumed;
    for (std::size_t i = 1; i < starts_.size() && i <= 8; ++i)
      resumed += fmt::format("{}{}", i == 1 ? "" : ", ", starts_[i].first_step);
    if (starts_.size() > 1)
      line("resumed", fmt::format("{} times, at step {}{}", starts_.size() - 1, resumed,
                                  starts_.size() > 9 ? ", ..." : ""));
    if (steps_.empty()) {
      line("steps", "none yet");
      return;
    }
    int64_t samples = 0, tokens = 0;
    for (const StepSummary& step : steps_) {
      samples += step.samples;
      tokens += step.tokens;
    }
    line("steps", fmt::format("{} to {}, {} samples, {} tokens", steps_.front().step, steps_.back().step,
                              samples, tokens));
    line("chain", steps_.back().chain);
  }

  Status run_text() {
    INVAR_TRY(const std::vector<Column> columns, read_columns(ledger_));
    print_head();
    if (steps_.empty()) return Ok{};
    fmt::print("\n{:>6}  {:>7}  {:>8}", "step", "samples", "tokens");
    for (const Column& column : columns) fmt::print("  {:>10}", column.title);
    fmt::print("  chain\n");
    for (const StepSummary& step : steps_) {
      fmt::print("{:>6}  {:>7}  {:>8}", step.step, step.samples, step.tokens);
      for (const Column& column : columns) fmt::print("  {:>10}", column.at(step.step));
      fmt::print("  {:.{}}\n", step.chain, kChainDigits);
    }
    return Ok{};
  }

  Status show_step(const StepSummary& step) {
    INVAR_TRY(const std::vector<RolloutRecord> rollouts, ledger_.rollouts(step.step));
    if (hash_rollouts(rollouts) != step.hashes.rollouts || hash_rewards(rollouts) != step.hashes.rewards)
      note(fmt::format(
          "step {}: the recorded samples do not have the hash that was recorded: the file was changed after "
          "it was written",
          step.step));
    if (!command_.sample) return command_.json ? step_json(step, rollouts) : step_text(step, rollouts);
    const int64_t index = *command_.sample;
    if (index < 0 || index >= static_cast<int64_t>(rollouts.size()))
      return error("--sample: expected 0 to {} in step {}, found {}",
                   static_cast<int64_t>(rollouts.size()) - 1, step.step, index);
    const RolloutRecord& rollout = rollouts[static_cast<std::size_t>(index)];
    if (command_.json) {
      OrderedJson json = rollout_json(static_cast<std::size_t>(index), rollout);
      json["step"] = step.step;
      print_json(json);
    } else {
      print_sample(step.step, index, rollout);
    }
    return Ok{};
  }

  Status step_json(const StepSummary& step, const std::vector<RolloutRecord>& rollouts) const {
    INVAR_TRY(const NamedValues metrics, ledger_.metrics(step.step));
    INVAR_TRY(const NamedValues timings, ledger_.timings(step.step));
    OrderedJson json = {{"step", step.step},
                        {"metrics", values_json(metrics)},
                        {"timings", values_json(timings)},
                        {"hashes", hashes_json(step)},
                        {"rollouts", OrderedJson::array()}};
    for (std::size_t i = 0; i < rollouts.size(); ++i)
      json["rollouts"].push_back(rollout_json(i, rollouts[i]));
    print_json(json);
    return Ok{};
  }

  Status step_text(const StepSummary& step, const std::vector<RolloutRecord>& rollouts) const {
    INVAR_TRY(const NamedValues metrics, ledger_.metrics(step.step));
    INVAR_TRY(const NamedValues timings, ledger_.timings(step.step));
    fmt::print("step {} of {}\n\n", step.step, printable(run_name(ledger_.path())));
    const StepHashes& hashes = step.hashes;
    for (const auto& [name, hash] :
         {std::pair("rollouts", &hashes.rollouts), std::pair("rewards", &hashes.rewards),
          std::pair("gradients", &hashes.gradients), std::pair("weights", &hashes.weights),
          std::pair("optimizer", &hashes.optimizer), std::pair("chain", &step.chain)})
      fmt::print("{:<10} {}\n", name, *hash);
    fmt::print("\n");
    for (const NamedValues* values : {&metrics, &timings}) {
      for (const auto& [name, value] : *values)
        fmt::print("{:<24} {}\n", printable(name), short_number(value));
    }
    fmt::print("\n{:>6}  {:>6}  {:>4}  {:>8}  {:>9}  {:>6}  {:>8}  {:<7}  {:<4}  {}\n", "sample", "prompt",
               "of it", "reward", "advantage", "tokens", "log-prob", "finish", "kept", "text");
    for (std::size_t i = 0; i < rollouts.size(); ++i) {
      const RolloutRecord& rollout = rollouts[i];
      fmt::print("{:>6}  {:>6}  {:>5}  {:>8}  {:>9}  {:>6}  {:>8.4f}  {:<7}  {:<4}  {}\n", i,
                 rollout.prompt_id, rollout.sample, short_number(rollout.reward),
                 short_number(rollout.advantage), rollout.tokens.size(), mean(rollout.log_probs),
                 printable(rollout.finish, 7), rollout.kept ? "yes" : "no",
                 printable(rollout.text, kTextColumns));
    }
    return Ok{};
  }

  static void print_sample(int64_t step, int64_t index, const RolloutRecord& rollout) {
    fmt::print("step {}, sample {}: prompt {}, sample {} of it, seed {}\n", step, index, rollout.prompt_id,
               rollout.sample, rollout.seed);
    fmt::print("reward {}, advantage {}, finish {}{}\n", rollout.reward, rollout.advantage,
               printable(rollout.finish), rollout.kept ? "" : ", filtered out");
    if (!rollout.prompt_text.empty()) fmt::print("prompt  \"{}\"\n", printable(rollout.prompt_text));
    if (!rollout.label.empty()) fmt::print("label   \"{}\"\n", printable(rollout.label));
    fmt::print("answer  \"{}\"\n\n", printable(rollout.text));
    fmt::print("{:>5}  {:>7}  {:>12}  {:<8}  {}\n", "token", "id", "log-prob", "bits", "text");
    for (std::size_t t = 0; t < rollout.tokens.size(); ++t) {
      const std::string_view piece = token_text(rollout, t);
      fmt::print("{:>5}  {:>7}  {:>12.6f}  {}  {}\n", t, rollout.tokens[t], rollout.log_probs[t],
                 bits(rollout.log_probs[t]), piece.empty() ? "" : fmt::format("\"{}\"", printable(piece)));
    }
  }

  const ShowCommand& command_;
  const Ledger& ledger_;
  std::vector<RunInfo> starts_;
  std::vector<StepSummary> steps_;
};

}  // namespace

int run_show(const ShowCommand& command) {
  const auto ledger = Ledger::open(ledger_path(command.run), LedgerMode::kRead);
  if (!ledger.ok()) return fail(ledger.message());
  const Status status = Show(command, *ledger).run();
  return status.ok() ? 0 : fail(status.message());
}

}  // namespace invar
