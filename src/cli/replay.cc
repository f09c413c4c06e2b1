// invar replay: a recorded step of a run, made again and compared.
#include <fmt/format.h>

#include <filesystem>

#include "base/clock.h"
#include "cli/terminal.h"
#include "cli/train_session.h"
#include "rl/config_change.h"
#include "rl/replay.h"
#include "rl/run_folder.h"

namespace invar {
namespace {

constexpr int kCannotReplay = 2;

class ReplayRun {
 public:
  explicit ReplayRun(const ReplayCommand& command) : command_(command) {}

  int run() {
    const Result<Replay> replay = make();
    status_line_.clear();
    if (!replay.ok() && Interrupt::raised()) return 130;
    if (!replay.ok()) {
      fail(replay.message());
      return kCannotReplay;
    }
    if (command_.json) {
      print_json(*replay);
    } else {
      print_text(*replay);
    }
    return replay->difference ? 1 : 0;
  }

 private:
  Result<Replay> make() {
    INVAR_TRY(const Ledger ledger, Ledger::open(ledger_path(command_.run), LedgerMode::kRead));
    INVAR_TRY(const RunInfo info, ledger.run_info());
    const std::string where = fmt::format("the configuration in {}", ledger.path());
    INVAR_TRY(const TrainConfig recorded, parse_train_config(info.config, where, {}));
    INVAR_TRY(const TrainConfig config, parse_train_config(info.config, where, command_.overrides));
    INVAR_RETURN_IF_ERROR(check_replayable(recorded, config));
    INVAR_TRY(const TrainSession session, open_train_session(config, command_.isa, command_.threads));
    const TrainMachinery machinery{.rl = session.machinery(),
                                   .pool = *session.model->pool,
                                   .fingerprint = session.fingerprint(),
                                   .model_files = {}};
    const TrainHooks hooks{.step = {.interrupted = [] { return Interrupt::raised(); },
                                    .progress =
                                        [this](const std::string& what, double part) {
                                          status_line_.show(fmt::format("{} {:.0f} %", what, 100 * part));
                                        },
                                    .seconds = [] { return monotonic_seconds(); }},
                           .stepped = {},
                           .note =
                               [this](const std::string& line) {
                                 status_line_.clear();
                                 note(line);
                               },
                           .wall_seconds = {}};
    return replay_step(ledger, run_name(ledger.path()), command_.step, config, machinery, hooks);
  }

  void print_text(const Replay& replay) const {
    const std::string from =
        replay.from.empty() ? "the model" : std::filesystem::path(replay.from).filename().string();
    if (replay.difference) {
      fmt::print("step {}, made again from {}: step {} differs\nA  as recorded\nB  as made now\n",
                 replay.step, from, replay.difference->step);
      fmt::print("{}", step_text(*replay.difference));
      return;
    }
    fmt::print("step {}, made again from {}: equal, {} samples and every hash\n", replay.step, from,
               replay.samples);
    for (const auto& [name, hash] : hashes(replay)) fmt::print("  {:<10}  {}\n", name, hash);
  }

  void print_json(const Replay& replay) const {
    nlohmann::ordered_json json = {{"step", replay.step},
                                   {"equal", !replay.difference},
                                   {"from", nullptr},
                                   {"first", replay.first},
                                   {"samples", replay.samples}};
    if (!replay.from.empty()) json["from"] = replay.from;
    for (const auto& [name, hash] : hashes(replay)) json["hashes"][name] = hash;
    json["difference"] = nullptr;
    if (replay.difference) json["difference"] = step_json(*replay.difference);
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  static std::vector<std::pair<const char*, std::string>> hashes(const Replay& replay) {
    return {{"rollouts", replay.hashes.rollouts},   {"rewards", replay.hashes.rewards},
            {"gradients", replay.hashes.gradients}, {"weights", replay.hashes.weights},
            {"optimizer", replay.hashes.optimizer}, {"chain", replay.chain}};
  }

  const ReplayCommand& command_;
  Interrupt interrupt_;
  StatusLine status_line_;
};

}  // namespace

int run_replay(const ReplayCommand& command) { return ReplayRun(command).run(); }

}  // namespace invar
