// invar verify: the proof that nothing around a request changes its bits, on the machine at hand or from outside.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "io/quote.h"
#include "model/registry.h"
#include "numerics/version.h"
#include "verify/child.h"
#include "verify/local_target.h"
#include "verify/report.h"
#include "verify/server_target.h"
#include "verify/verifier.h"

namespace invar {
namespace {

// Models below this run every tier and all profiles at full size in seconds.
constexpr int64_t kSmallParameters = 20'000'000;
// Above this even fma32 has few tokens a second.
constexpr int64_t kLargeParameters = 2'000'000'000;
constexpr std::size_t kChildOutputMax = std::size_t{64} << 20;

Pace pace_of(int64_t parameters, Profile profile) {
  if (parameters < kSmallParameters) return Pace::kFast;
  return profile == Profile::kTc16 || parameters >= kLargeParameters ? Pace::kSlow : Pace::kMedium;
}

// How far the proof of a target is, and how long the rest of it takes.
class ProgressLine {
 public:
  void show(const std::string& target, const Progress& progress) {
    const double now_s = monotonic_seconds();
    if (target != target_) {
      target_ = target;
      begin_s_ = now_s;
    }
    std::string left;
    if (progress.done > 0.02)
      left = fmt::format(", about {} left",
                         minutes_text((now_s - begin_s_) * (1 - progress.done) / progress.done));
    line_.show(fmt::format("{} {:.0f} %: {}, run {} of {}{}", target, 100 * progress.done, progress.row,
                           progress.run, progress.runs, left));
  }
  void clear() { line_.clear(); }

 private:
  StatusLine line_;
  std::string target_;
  double begin_s_ = 0;
};

// The texts of a plan are ASCII and short: no tokenizer refuses them.
Encode encode_with(const Tokenizer& tokenizer) {
  return [&tokenizer](std::string_view text) { return *tokenizer.encode(text); };
}

class Verify {
 public:
  explicit Verify(const VerifyCommand& command) : command_(command) {}

  int run() {
    const Status status = command_.url.empty() ? run_model() : run_server();
    progress_.clear();
    if (Interrupt::raised()) {
      note("interrupted; the proof is not complete");
      return 130;
    }
    if (!status.ok()) return fail(status.message());
    if (command_.restart_run >= 0) return 0;
    print_end();
    return failed_axes_.empty() ? 0 : 1;
  }

 private:
  // Ctrl-C, or nobody reads the table any more.
  std::function<bool()> stopped() const {
    return [this] { return Interrupt::raised() || output_closed_; };
  }

  Result<std::vector<Profile>> profiles() const {
    if (command_.profile == "both") return std::vector{Profile::kFma32, Profile::kTc16};
    if (command_.profile == "all") return std::vector(std::begin(kAllProfiles), std::end(kAllProfiles));
    const auto profile = parse_profile(command_.profile);
    if (!profile) return error("--profile: expected both, all, {}, found {}", profile_names(), quote(command_.profile));
    return std::vector{*profile};
  }

  Status check_axes(const std::vector<std::string>& known) const {
    for (const std::string& axis : command_.axes) {
      if (std::find(known.begin(), known.end(), axis) == known.end())
        return error("--axis: expected one of {}, found {}", fmt::join(known, ", "), quote(axis));
    }
    return Ok{};
  }

  Status run_model() {
    INVAR_TRY(const std::vector<Profile> profiles, profiles());
    INVAR_RETURN_IF_ERROR(check_axes(row_names(local_axes(this_machine(true, true, 1)), false)));
    INVAR_TRY(const WeightSource weights, WeightSource::open(command_.model));
    INVAR_TRY(const DecoderModel model, load_decoder(weights));
    auto tokenizer = open_tokenizer(weights);
    Encode encode = encode_by_word(model.config.vocab_size);
    if (tokenizer.ok()) encode = encode_with(*tokenizer);
    const int64_t parameters = parameter_count(weights.config());
    begin(fmt::format("{}: {}, {:.1f} M parameters", command_.model,
                      architecture_name(model.config.architecture), static_cast<double>(parameters) / 1e6));
    for (Profile profile : profiles) {
      const Pace pace = pace_of(parameters, profile);
      PlanOptions options{.size = plan_size(command_.quick, pace),
                          .seed = command_.seed,
                          .context = model.config.max_position,
                          .encode = encode};
      if (command_.samples > 0) options.size.trials = command_.samples;
      const Machine machine = this_machine(pace == Pace::kFast, command_.quick || pace == Pace::kSlow,
                                           std::min<int64_t>(16, options.size.batch_max));
      LocalTarget target(model, {.profile = profile, .axes = local_axes(machine), .interrupted = stopped()});
      INVAR_RETURN_IF_ERROR(run_target(target, options));
    }
    return Ok{};
  }

  Status run_server() {
    PlanOptions options{.size = plan_size(command_.quick, Pace::kFast),
                        .seed = command_.seed,
                        .server = true,
                        .encode = [](std::string_view) { return std::vector<int32_t>(); }};
    if (command_.samples > 0) options.size.trials = command_.samples;
    INVAR_RETURN_IF_ERROR(check_axes(row_names(server_axes(1), true)));
    INVAR_TRY(const auto target, ServerTarget::open({.url = command_.url,
                                                     .api = command_.api,
                                                     .timeout_s = command_.timeout_s,
                                                     .batch_max = options.size.batch_max}));
    begin(command_.url);
    return run_target(*target, options);
  }

  Status run_target(Target& target, const PlanOptions& options) {
    const Plan plan = make_plan(options, target.axes());
    if (command_.restart_run >= 0) return run_restarted(target, plan);
    begin_target(target, plan, options);
    const std::string name = target.name();
    Verifier verifier(target, plan,
                      {.interrupted = stopped(),
                       .progress = [&](const Progress& progress) { progress_.show(name, progress); },
                       .row_done = [&](const RowResult& row) { take_row(name, row); },
                       .restart = [&](int64_t index) { return restart(name, index); }});
    const Status status = verifier.run(command_.axes);
    if (command_.json)
      report_["targets"].push_back({{"name", name},
                                    {"references", verifier.references()},
                                    {"output_tokens", options.size.output_tokens},
                                    {"rows", std::move(rows_json_)}});
    rows_json_ = nlohmann::ordered_json::array();
    references_ += verifier.references();
    return status;
  }

  // In the second process: the run's outcome for the first one.
  Status run_restarted(Target& target, const Plan& plan) const {
    const PlanRow& row = plan.rows.back();
    if (row.kind != RowKind::kRestart || command_.restart_run >= static_cast<int64_t>(row.runs.size()))
      return error("--restart-run: found {}, the plan has no such run", command_.restart_run);
    const Run& run = row.runs[static_cast<std::size_t>(command_.restart_run)];
    INVAR_TRY(const Outcome outcome, target.run(cases_of(plan, run), run.setting));
    fmt::print("{}\n", outcome_json(outcome).dump());
    return Ok{};
  }

  Result<Outcome> restart(const std::string& profile, int64_t index) const {
    INVAR_TRY(const std::string program, own_program());
    std::vector<std::string> arguments = {"verify",
                                          "--model",
                                          command_.model,
                                          "--profile",
                                          profile,
                                          "--seed",
                                          std::to_string(command_.seed),
                                          "--samples",
                                          std::to_string(command_.samples),
                                          "--restart-run",
                                          std::to_string(index)};
    if (command_.quick) arguments.push_back("--quick");
    INVAR_TRY(const std::string text, run_program(program, arguments, kChildOutputMax));
    INVAR_TRY(const Json json, parse_json(text, "the other process"));
    return parse_outcome(json);
  }

  void begin(const std::string& what) {
    begin_s_ = monotonic_seconds();
    if (command_.restart_run >= 0) return;
    report_ = {{"target", what}, {"seed", command_.seed}, {"numerics_version", kNumericsVersion}};
    report_["targets"] = nlohmann::ordered_json::array();
    if (!command_.json) fmt::print("{}; seed {}\n", what, command_.seed);
  }

  void begin_target(const Target& target, const Plan& plan, const PlanOptions& options) const {
    if (command_.json) return;
    fmt::print("\n{}: outputs of {} tokens, compared with the same request alone\n", target.name(),
               options.size.output_tokens);
    std::string reference;
    for (const Axis& axis : target.axes())
      reference += fmt::format("{}{} {}", reference.empty() ? "" : ", ", axis.name,
                               axis.show(plan.reference[axis.id]));
    fmt::print("reference: {}\n{}", reference, table_header());
    std::fflush(stdout);
  }

  void take_row(const std::string& target, const RowResult& row) {
    progress_.clear();
    runs_ += row.runs;
    outputs_ += row.outputs;
    if (row.failed()) failed_axes_.insert(row.axis);
    if (command_.json) {
      rows_json_.push_back(row_json(row));
    } else if (!put(table_row(row))) {
      output_closed_ = true;
    }
  }

  void print_end() {
    const double seconds = monotonic_seconds() - begin_s_;
    if (command_.json) {
      report_["pass"] = failed_axes_.empty();
      report_["seconds"] = seconds;
      fmt::print("{}\n", report_.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
      return;
    }
    if (failed_axes_.empty()) {
      fmt::print("\nPASS: {} outputs of {} runs had the bits that their requests have alone; {}, seed {}\n",
                 outputs_, runs_, minutes_text(seconds), command_.seed);
    } else {
      fmt::print("\nFAIL: axis: {}; {}, --seed {} runs the same again\n", fmt::join(failed_axes_, ", "),
                 minutes_text(seconds), command_.seed);
    }
  }

  const VerifyCommand& command_;
  Interrupt interrupt_;
  ProgressLine progress_;
  nlohmann::ordered_json report_, rows_json_ = nlohmann::ordered_json::array();
  std::set<std::string> failed_axes_;
  int64_t runs_ = 0, outputs_ = 0, references_ = 0;
  double begin_s_ = 0;
  bool output_closed_ = false;
};

}  // namespace

int run_verify(const VerifyCommand& command) {
  if (command.model.empty() && command.url.empty())
    return fail("expected --model PATH, or --url URL of a server; see invar verify --help");
  if (command.samples < 0 || command.samples > 100000)
    return fail(fmt::format("--samples: expected 0 to 100000, found {}", command.samples));
  if (command.timeout_s < 1 || command.timeout_s > 86400)
    return fail(fmt::format("--timeout: expected 1 to 86400, found {}", command.timeout_s));
  return Verify(command).run();
}

}  // namespace invar
