// invar eval: how a model does on held-out prompts.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "io/quote.h"
#include "rl/evaluation.h"

namespace invar {
namespace {

// The reward that belongs to a built-in task; "" for an unknown one, which is refused later.
std::string reward_of_task(const std::string& task) {
  for (const TaskKind& kind : task_kinds()) {
    if (kind.name == task) return std::string(kind.reward);
  }
  return "";
}

class Eval {
 public:
  explicit Eval(const EvalCommand& command) : command_(command) {}

  int run() {
    const Status status = evaluation();
    status_line_.clear();
    if (!status.ok() && Interrupt::raised()) {
      note("interrupted");
      return 130;
    }
    return status.ok() ? 0 : fail(status.message());
  }

 private:
  // The file's configuration, or the default one, with what the options say.
  Result<TrainConfig> config() const {
    TrainConfig config;
    const bool has_file = !command_.config.empty();
    if (has_file) {
      INVAR_TRY(config, read_train_config(command_.config, command_.overrides));
    }
    if (!command_.model.path.empty()) config.model.path = command_.model.path;
    if (!command_.task.empty()) {
      config.data.task = command_.task;
      config.data.file = config.data.eval_file = "";
      if (const std::string reward = reward_of_task(command_.task); !reward.empty()) config.reward.kind = reward;
    }
    if (!command_.file.empty()) {
      config.data.task = "";
      config.data.file = config.data.eval_file = command_.file;
    }
    if (!command_.reward.empty()) config.reward.kind = command_.reward;
    if (command_.difficulty) config.data.difficulty = *command_.difficulty;
    if (command_.prompts) config.data.eval_prompts = *command_.prompts;
    if (command_.max_tokens) config.rollout.max_tokens = *command_.max_tokens;
    if (command_.seed) config.run.seed = *command_.seed;
    if (!has_file) {
      config.model.profile = command_.model.profile;
      config.rollout.prefill_rows = command_.model.step_rows;
      config.rollout.max_running = command_.model.batch_max;
      config.rollout.kv_mib = command_.model.kv_mib;
    }
    // Ranges and names are checked where a configuration is read.
    return parse_train_config(train_config_text(config), "options",
                              has_file ? std::span<const std::string>() : command_.overrides);
  }

  Status check_options() const {
    if (command_.samples < 1 || command_.samples > 4096)
      return error("-n: expected 1 to 4096 samples of a prompt, found {}", command_.samples);
    if (!(command_.temperature >= 0 && command_.temperature <= 100))
      return error("--temperature: expected 0 to 100, found {}", command_.temperature);
    if (command_.samples > 1 && command_.temperature == 0)
      return error("-n {}: at temperature 0 all samples of a prompt are the same; expected --temperature above 0",
                   command_.samples);
    if (command_.config.empty() && (command_.model.path.empty() || (command_.task.empty() && command_.file.empty())))
      return error("expected a configuration, or -m MODEL with --task NAME or --file FILE; see invar eval --help");
    return Ok{};
  }

  Status evaluation() {
    INVAR_RETURN_IF_ERROR(check_options());
    INVAR_TRY(const TrainConfig config, this->config());
    ModelOptions options = command_.model;
    options.path = config.model.path;
    options.profile = config.model.profile;
    options.step_rows = config.rollout.prefill_rows;
    options.batch_max = config.rollout.max_running;
    options.kv_mib = config.rollout.kv_mib;
    INVAR_TRY(const std::unique_ptr<Session> session, open_session(options));
    INVAR_TRY(const PromptSource prompts,
              PromptSource::open(config, session->tokenizer,
                                 session->chat_template ? &*session->chat_template : nullptr));
    if (prompts.held_out_count() == 0)
      return error("data.eval_file: expected held-out prompts, found none; --file or --task names some");
    INVAR_TRY(Reward reward, Reward::make(config.reward));
    const EvaluationOptions evaluation{.rollout = {.temperature = static_cast<float>(command_.temperature),
                                                   .top_p = static_cast<float>(config.rollout.top_p),
                                                   .top_k = static_cast<int32_t>(config.rollout.top_k),
                                                   .max_tokens = config.rollout.max_tokens,
                                                   .stop = config.rollout.stop},
                                       .samples = command_.samples,
                                       .run_seed = static_cast<uint64_t>(config.run.seed)};
    const double begin_s = monotonic_seconds();
    const RlHooks hooks{.interrupted = [] { return Interrupt::raised(); },
                        .progress =
                            [this](const std::string& what, double part) {
                              status_line_.show(fmt::format("{} {:.0f} %", what, 100 * part));
                            },
                        .seconds = {}};
    INVAR_TRY(const Evaluation found,
              evaluate(*session->engine, session->tokenizer, prompts, reward, evaluation, hooks));
    status_line_.clear();
    if (command_.json) {
      print_json(found);
    } else {
      print(config, found, monotonic_seconds() - begin_s);
    }
    return Ok{};
  }

  std::vector<const RlSample*> shown(const Evaluation& found) const {
    std::vector<const RlSample*> samples;
    for (const RolloutGroup& group : found.groups) {
      if (std::ssize(samples) < command_.show) samples.push_back(&group.samples.front());
    }
    return samples;
  }

  void print_json(const Evaluation& found) const {
    nlohmann::ordered_json json = {{"prompts", found.groups.size()},
                                   {"samples", command_.samples},
                                   {"reward", found.reward.mean},
                                   {"reward_error", found.reward.error}};
    for (const PassAt& pass : found.pass_at) {
      json[fmt::format("pass@{}", pass.k)] = pass.estimate.mean;
      json[fmt::format("pass@{}_error", pass.k)] = pass.estimate.error;
    }
    json["length"] = found.length_mean;
    json["cut_off"] = found.cut_off;
    json["digest"] = found.digest;
    json["answers"] = nlohmann::ordered_json::array();
    for (const RlSample* sample : shown(found))
      json["answers"].push_back({{"prompt", sample->prompt},
                                 {"prompt_text", sample->prompt_text},
                                 {"text", sample->text},
                                 {"label", sample->label},
                                 {"reward", sample->reward}});
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  void print(const TrainConfig& config, const Evaluation& found, double seconds) const {
    const std::string what = config.data.task.empty()
                                 ? config.data.eval_file
                                 : fmt::format("{}, difficulty {}", config.data.task, config.data.difficulty);
    fmt::print("{}: {} held-out prompts, {} of each, temperature {} ({:.1f} s)\n", what, found.groups.size(),
               command_.samples == 1 ? "1 sample" : fmt::format("{} samples", command_.samples),
               command_.temperature, seconds);
    fmt::print("reward    {:.4f} \u00b1 {:.4f}\n", found.reward.mean, found.reward.error);
    for (const PassAt& pass : found.pass_at)
      fmt::print("{:<9} {:.4f} \u00b1 {:.4f}\n", fmt::format("pass@{}", pass.k), pass.estimate.mean,
                 pass.estimate.error);
    fmt::print("length    {:.1f} tokens, {:.1f} % cut off\n", found.length_mean, 100 * found.cut_off);
    fmt::print("digest    {}\n", found.digest);
    for (const RlSample* sample : shown(found))
      fmt::print("  {:>4}  reward {:<5g} expected {}: {}\n", sample->prompt, sample->reward, quote(sample->label),
                 quote(sample->text));
  }

  const EvalCommand& command_;
  Interrupt interrupt_;
  StatusLine status_line_;
};

}  // namespace

int run_eval(const EvalCommand& command) { return Eval(command).run(); }

}  // namespace invar
