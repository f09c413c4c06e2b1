// invar train: reinforcement learning of a model from one TOML file.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "model/weight_digest.h"
#include "rl/rl_step.h"

namespace invar {
namespace {

std::string minutes(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

class Train {
 public:
  explicit Train(const TrainCommand& command) : command_(command) {}

  int run() {
    const Status status = steps();
    clear_progress();
    if (Interrupt::raised()) {
      note(fmt::format("interrupted after {} of {} steps", done_, config_.run.steps));
      return 130;
    }
    if (!status.ok()) return fail(status.message());
    return 0;
  }

 private:
  Status steps() {
    INVAR_TRY(config_, read_train_config(command_.config, command_.overrides));
    ModelOptions options{.path = config_.model.path,
                         .profile = config_.model.profile,
                         .isa = command_.isa,
                         .threads = command_.threads,
                         .step_rows = config_.rollout.prefill_rows,
                         .batch_max = config_.rollout.max_running,
                         .kv_mib = config_.rollout.kv_mib};
    INVAR_TRY(const std::unique_ptr<Session> session, open_session(options));
    WeightUpdater updater(session->model, WeightDigest::of(session->model, *session->pool), *session->queue,
                          *session->executor, *session->engine);
    PolicyTrainer trainer(session->model, *session->queue, config_.train.micro_batch_rows);
    INVAR_TRY(const std::unique_ptr<RlStep> rl,
              RlStep::create(config_,
                             {.engine = *session->engine,
                              .updater = updater,
                              .trainer = trainer,
                              .tokenizer = session->tokenizer,
                              .chat_template = session->chat_template ? &*session->chat_template : nullptr}));
    if (!command_.json)
      fmt::print("{:>6} {:>7} {:>7} {:>8} {:>8} {:>7} {:>9} {:>8} {:>9} {:>7}\n", "step", "reward", "eval",
                 "loss", "entropy", "length", "grad norm", "clipped", "tokens/s", "left");
    const RlStep::Hooks hooks{
        .interrupted = [] { return Interrupt::raised(); },
        .progress = [this](const std::string& what, double part) { progress(what, part); },
        .seconds = [] { return monotonic_seconds(); }};
    begin_s_ = monotonic_seconds();
    for (int64_t step = 0; step < config_.run.steps; ++step) {
      EvalResult eval;
      if (evaluates(step)) {
        INVAR_TRY(eval, rl->evaluate(hooks));
      }
      INVAR_TRY(const RlStepResult result, rl->run(step, hooks));
      ++done_;
      print(result, eval, updater.digest().combined());
    }
    if (config_.run.eval_every == 0) return Ok{};
    INVAR_TRY(const EvalResult last, rl->evaluate(hooks));
    clear_progress();
    if (last.prompts > 0 && command_.json)
      fmt::print("{}\n", nlohmann::ordered_json{{"step", done_}, {"eval_reward", last.reward_mean}}.dump());
    if (last.prompts > 0 && !command_.json)
      fmt::print("after {} steps: reward {:.3f} on {} held-out prompts\n", done_, last.reward_mean,
                 last.prompts);
    return Ok{};
  }

  bool evaluates(int64_t step) const {
    return config_.run.eval_every > 0 && step % config_.run.eval_every == 0;
  }

  void progress(const std::string& what, double part) {
    if (!stderr_is_terminal()) return;
    fmt::print(stderr, "\r\033[Kstep {}: {} {:.0f} %", done_ + 1, what, 100 * part);
    std::fflush(stderr);
    shown_ = true;
  }
  void clear_progress() {
    if (shown_) fmt::print(stderr, "\r\033[K");
    shown_ = false;
  }

  void print(const RlStepResult& result, const EvalResult& eval, const std::string& weights) {
    clear_progress();
    const double elapsed = monotonic_seconds() - begin_s_;
    const double left = elapsed / static_cast<double>(done_) * static_cast<double>(config_.run.steps - done_);
    double drawn = 0;
    for (const RlSample& sample : result.samples) drawn += static_cast<double>(sample.log_probs.size());
    const double rate = drawn / std::max(1e-9, result.rollout_s + result.update_s);
    const PolicyUpdateReport update = result.updates.empty() ? PolicyUpdateReport{} : result.updates.front();
    if (command_.json) {
      nlohmann::ordered_json json = {{"step", result.step + 1},
                                     {"reward", result.reward_mean},
                                     {"loss", update.loss},
                                     {"entropy", update.entropy},
                                     {"kl_old", update.kl_old},
                                     {"ratio_max", update.ratio_max},
                                     {"differing_log_probs", update.differing_log_probs},
                                     {"clipped", update.clipped},
                                     {"gradient_norm", update.gradient_norm},
                                     {"learning_rate", result.learning_rate},
                                     {"length", result.length_mean},
                                     {"cut_off", result.cut_off},
                                     {"groups_dropped", result.groups_dropped},
                                     {"rollout_s", result.rollout_s},
                                     {"update_s", result.update_s},
                                     {"gradients", update.gradient_digest},
                                     {"weights", weights}};
      if (eval.prompts > 0) json["eval_reward"] = eval.reward_mean;
      fmt::print("{}\n", json.dump());
    } else {
      fmt::print("{:>6} {:>7.3f} {:>7} {:>8.4f} {:>8.3f} {:>7.1f} {:>9.3f} {:>7.1f}% {:>9.0f} {:>7}\n",
                 result.step + 1, result.reward_mean,
                 eval.prompts > 0 ? fmt::format("{:.3f}", eval.reward_mean) : "", update.loss, update.entropy,
                 result.length_mean, update.gradient_norm, 100 * update.clipped, rate, minutes(left));
    }
    std::fflush(stdout);
  }

  const TrainCommand& command_;
  Interrupt interrupt_;
  TrainConfig config_;
  int64_t done_ = 0;
  double begin_s_ = 0;
  bool shown_ = false;
};

}  // namespace

int run_train(const TrainCommand& command) { return Train(command).run(); }

}  // namespace invar
