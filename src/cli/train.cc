// invar train: reinforcement learning of a model from one TOML file.
#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "io/quote.h"
#include "numerics/version.h"
#include "rl/ledger.h"
#include "rl/step_record.h"

namespace invar {
namespace {

// For people: nothing depends on it.
std::string utc_text(double seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

class Train {
 public:
  explicit Train(const TrainCommand& command) : command_(command) {}

  int run() {
    const Status status = steps();
    status_line_.clear();
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
    WeightUpdater updater(session->model, session->digest, *session->queue, *session->executor,
                          *session->engine);
    PolicyTrainer trainer(session->model, *session->queue, config_.train.micro_batch_rows,
                          {.local = static_cast<int>(config_.train.ranks)});
    std::unique_ptr<ReferenceModel> reference;
    if (const std::string path = reference_path(config_); !path.empty()) {
      INVAR_TRY(reference, open_reference(path, *session, config_.train.micro_batch_rows));
    }
    INVAR_TRY(const std::unique_ptr<RlStep> rl,
              RlStep::create(config_,
                             {.engine = *session->engine,
                              .updater = updater,
                              .trainer = trainer,
                              .tokenizer = session->tokenizer,
                              .chat_template = session->chat_template ? &*session->chat_template : nullptr,
                              .reference = reference.get()}));
    const RlStep::Hooks hooks{
        .interrupted = [] { return Interrupt::raised(); },
        .progress =
            [this](const std::string& what, double part) {
              status_line_.show(fmt::format("step {}: {} {:.0f} %", done_ + 1, what, 100 * part));
            },
        .seconds = [] { return monotonic_seconds(); }};
    const auto optimizer = [&] { return trainer.optimizer().digest(*session->pool); };
    if (!config_.run.folder.empty())
      INVAR_RETURN_IF_ERROR(open_ledger(session->executor->weights().fingerprint));
    if (!command_.json)
      fmt::print("{:>6} {:>7} {:>7} {:>8} {:>8} {:>7} {:>9} {:>8} {:>9} {:>7}\n", "step", "reward", "eval",
                 "loss", has_kl() ? " entropy       kl" : "entropy", "length", "grad norm", "clipped", "tokens/s",
                 "left");
    begin_s_ = monotonic_seconds();
    RlEval eval;  // by the weights that the next step begins with
    if (evaluates(0)) {
      INVAR_TRY(eval, rl->evaluate(hooks));
    }
    if (ledger_) INVAR_RETURN_IF_ERROR(append(start_record(eval, updater.digest().combined(), optimizer())));
    for (int64_t step = 0; step < config_.run.steps; ++step) {
      INVAR_TRY(const RlStepResult result, rl->run(step, hooks));
      ++done_;
      const std::string weights = updater.digest().combined();
      print(result, eval, weights);
      eval = {};
      if (evaluates(done_)) {
        INVAR_TRY(eval, rl->evaluate(hooks));
      }
      if (ledger_) INVAR_RETURN_IF_ERROR(append(step_record(result, eval, weights, optimizer())));
    }
    status_line_.clear();
    if (eval.prompts > 0 && command_.json)
      fmt::print("{}\n", nlohmann::ordered_json{{"step", done_}, {"eval_reward", eval.reward_mean}}.dump());
    if (eval.prompts > 0 && !command_.json)
      fmt::print("after {} steps: reward {:.3f} on {} held-out prompts\n", done_, eval.reward_mean,
                 eval.prompts);
    return Ok{};
  }

  Status append(const StepRecord& record) {
    auto chain = ledger_->append(record);
    return chain.ok() ? Status(Ok{}) : Status(std::move(chain).take_error());
  }

  Status open_ledger(const std::string& fingerprint) {
    std::error_code code;
    std::filesystem::create_directories(config_.run.folder, code);
    if (code) return error("run.folder: cannot make {}: {}", quote(config_.run.folder), code.message());
    INVAR_TRY(Ledger ledger, Ledger::open(ledger_path(config_.run.folder), LedgerMode::kWrite));
    INVAR_TRY(const std::vector<StepSummary> steps, ledger.steps());
    if (!steps.empty())
      return error(
          "run.folder: {} has a run of {} steps already, and runs cannot be resumed yet; choose another "
          "folder",
          quote(config_.run.folder), steps.back().step);
    ledger_.emplace(std::move(ledger));
    return ledger_->begin({.config = train_config_text(config_),
                           .model_path = config_.model.path,
                           .fingerprint = fingerprint,
                           .numerics_version = kNumericsVersion,
                           .profile = config_.model.profile,
                           .seed = static_cast<uint64_t>(config_.run.seed),
                           .created_at = utc_text(wall_seconds())});
  }

  // Whether the weights after so many steps are.
  bool evaluates(int64_t steps) const {
    return config_.run.eval_every > 0 && (steps % config_.run.eval_every == 0 || steps == config_.run.steps);
  }

  void print(const RlStepResult& result, const RlEval& eval, const std::string& weights) {
    status_line_.clear();
    const double elapsed = monotonic_seconds() - begin_s_;
    const double left = elapsed / static_cast<double>(done_) * static_cast<double>(config_.run.steps - done_);
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
      if (has_kl()) entropy += fmt::format(" {:>8}", cell(result.kl.has_value(), "{:.5f}", result.kl.value_or(0)));
      fmt::print("{:>6} {:>7} {:>7} {:>8} {} {:>7} {:>9} {:>8} {:>9.0f} {:>7}\n", result.step + 1,
                 cell(ended, "{:.3f}", result.reward_mean), cell(eval.prompts > 0, "{:.3f}", eval.reward_mean),
                 cell(trained, "{:.4f}", update.loss), entropy, cell(ended, "{:.1f}", result.length_mean),
                 cell(trained, "{:.3f}", update.gradient_norm), cell(trained, "{:.1f}%", 100 * update.clipped),
                 rate, minutes_text(left));
    }
    std::fflush(stdout);
  }

  bool has_kl() const { return !reference_path(config_).empty(); }

  const TrainCommand& command_;
  Interrupt interrupt_;
  TrainConfig config_;
  std::optional<Ledger> ledger_;
  int64_t done_ = 0;
  double begin_s_ = 0;
  StatusLine status_line_;
};

}  // namespace

int run_train(const TrainCommand& command) { return Train(command).run(); }

}  // namespace invar
