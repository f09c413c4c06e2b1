// invar train: reinforcement learning of a model from one TOML file.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/terminal.h"
#include "cli/train_session.h"
#include "rl/train_run.h"

namespace invar {
namespace {

class Train {
 public:
  explicit Train(const TrainCommand& command) : command_(command) {}

  int run() {
    const Status status = steps();
    status_line_.clear();
    if (!status.ok() && status.message() == kInterrupted && Interrupt::raised()) {
      note(fmt::format("interrupted after {} of {} steps{}", done_, config_.run.steps,
                       config_.run.folder.empty() ? "" : "; the same command goes on from there"));
      return Interrupt::exit_code();
    }
    if (!status.ok()) return fail(status.message());
    return 0;
  }

 private:
  static constexpr const char* kInterrupted = "interrupted";

  Status steps() {
    INVAR_TRY(config_, read_train_config(command_.config, command_.overrides));
    INVAR_TRY(const TrainSession session, open_train_session(config_, command_.isa, command_.threads));
    TrainMachinery machinery{.rl = session.machinery(),
                             .pool = *session.model->pool,
                             .fingerprint = session.fingerprint(),
                             .model_files = {}};
    if (!config_.run.folder.empty()) {
      INVAR_TRY(machinery.model_files, read_model_files(session.model->weights));
    }
    INVAR_TRY(const std::unique_ptr<TrainRun> run, TrainRun::open(config_, std::move(machinery), hooks()));
    done_ = began_ = run->done();
    if (run->complete()) {
      note(fmt::format("complete: {} of {} steps", done_, config_.run.steps));
      return Ok{};
    }
    if (!command_.json)
      fmt::print("{:>6} {:>7} {:>7} {:>8} {:>8} {:>7} {:>9} {:>8} {:>9} {:>7}\n", "step", "reward", "eval",
                 "loss", has_kl() ? " entropy       kl" : "entropy", "length", "grad norm", "clipped",
                 "tokens/s", "left");
    begin_s_ = monotonic_seconds();
    INVAR_RETURN_IF_ERROR(run->run());
    status_line_.clear();
    print_last(run->eval());
    return Ok{};
  }

  TrainHooks hooks() {
    return {
        .step = {.interrupted = [] { return Interrupt::raised(); },
                 .progress =
                     [this](const std::string& what, double part) {
                       status_line_.show(fmt::format("step {}: {} {:.0f} %{}", done_ + 1, what, 100 * part,
                                                     Interrupt::raised() ? ", then it ends" : ""));
                     },
                 .seconds = [] { return monotonic_seconds(); }},
        .stepped =
            [this](const TrainStep& step) {
              ++done_;
              print(step.result, step.eval, step.weights);
            },
        .note =
            [this](const std::string& line) {
              status_line_.clear();
              note(line);
            },
        .wall_seconds = [] { return wall_seconds(); }};
  }

  void print_last(const RlEval& eval) {
    if (eval.prompts > 0 && command_.json)
      fmt::print("{}\n", nlohmann::ordered_json{{"step", done_}, {"eval_reward", eval.reward_mean}}.dump());
    if (eval.prompts > 0 && !command_.json)
      fmt::print("after {} steps: reward {:.3f} on {} held-out prompts\n", done_, eval.reward_mean,
                 eval.prompts);
  }

  void print(const RlStepResult& result, const RlEval& eval, const std::string& weights) {
    status_line_.clear();
    const double elapsed = monotonic_seconds() - begin_s_;
    const double left =
        elapsed / static_cast<double>(done_ - began_) * static_cast<double>(config_.run.steps - done_);
    const double rate =
        static_cast<double>(result.drawn_tokens) / std::max(1e-9, result.rollout_s + result.update_s);
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
      if (result.kl) json["kl"] = *result.kl;
      if (result.in_part) {
        json["drawn_tokens"] = result.drawn_tokens;
        json["off_policy_tokens"] = result.off_policy_tokens;
        json["carried_samples"] = result.carried_samples;
      }
      json["trained_samples"] = std::count_if(result.samples.begin(), result.samples.end(),
                                              [](const RlSample& sample) { return sample.kept; });
      if (eval.prompts > 0) json["eval_reward"] = eval.reward_mean;
      fmt::print("{}\n", json.dump());
    } else {
      // Where nothing came to its end, or nothing was trained on, there is no number.
      const auto cell = [](bool there, const char* format, double value) {
        return there ? fmt::format(fmt::runtime(format), value) : std::string("-");
      };
      const bool ended = !result.samples.empty(), trained = !result.updates.empty();
      std::string entropy = fmt::format("{:>8}", cell(trained, "{:.3f}", update.entropy));
      if (has_kl())
        entropy += fmt::format(" {:>8}", cell(result.kl.has_value(), "{:.5f}", result.kl.value_or(0)));
      fmt::print("{:>6} {:>7} {:>7} {:>8} {} {:>7} {:>9} {:>8} {:>9.0f} {:>7}\n", result.step + 1,
                 cell(ended, "{:.3f}", result.reward_mean),
                 cell(eval.prompts > 0, "{:.3f}", eval.reward_mean), cell(trained, "{:.4f}", update.loss),
                 entropy, cell(ended, "{:.1f}", result.length_mean),
                 cell(trained, "{:.3f}", update.gradient_norm),
                 cell(trained, "{:.1f}%", 100 * update.clipped), rate, minutes_text(left));
    }
    std::fflush(stdout);
  }

  bool has_kl() const { return !reference_path(config_).empty(); }

  const TrainCommand& command_;
  Interrupt interrupt_{Interrupt::kOrTerm};
  TrainConfig config_;
  int64_t began_ = 0, done_ = 0;  // steps
  double begin_s_ = 0;
  StatusLine status_line_;
};

}  // namespace

int run_train(const TrainCommand& command) { return Train(command).run(); }

}  // namespace invar
