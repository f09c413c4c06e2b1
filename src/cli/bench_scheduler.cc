// invar bench scheduler: what the engine costs beside the model: scheduling, pages, prefix cache, results.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "base/clock.h"
#include "cli/bench_measure.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace invar {
namespace {

constexpr int64_t kRunning = 256;
constexpr int64_t kPrompt = 64;
constexpr int64_t kOutput = 64;
constexpr int64_t kPrefillRows = 512;
constexpr int64_t kPageSize = 16;
constexpr int64_t kPages = kRunning * (kPrompt + kOutput) / kPageSize + kRunning;

// Computes nothing. So few logits that drawing from them costs little: it is counted as the engine's.
class NoModel : public Executor {
 public:
  const Limits& limits() const override { return limits_; }
  const Weights& weights() const override { return weights_; }
  void forward(const Batch&) override {}
  std::span<float> logits(std::span<const int32_t> rows) override {
    std::fill(logits_.begin(), logits_.end(), 0.0f);
    return std::span(logits_).first(rows.size() * static_cast<std::size_t>(limits_.vocab));
  }
  void copy_page(int32_t, int32_t) override {}

 private:
  Limits limits_{.vocab = 16,
                 .context = kPrompt + kOutput,
                 .page_size = kPageSize,
                 .pages = kPages,
                 .rows_max = kPrefillRows + kRunning,
                 .logits_max = 64};
  Weights weights_;
  std::vector<float> logits_ =
      std::vector<float>(static_cast<std::size_t>(limits_.logits_max * limits_.vocab));
};

std::vector<Request> requests(int64_t vocab, std::mt19937_64& random) {
  std::vector<Request> all(static_cast<std::size_t>(kRunning));
  for (Request& request : all) {
    for (int64_t i = 0; i < kPrompt; ++i)
      request.prompt.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(vocab)));
    request.sampling.temperature = 0;
    request.sampling.max_tokens = kOutput;
    request.sampling.ignore_eos = true;
  }
  return all;
}

// Seconds of a step, over all steps from the first prompt to the last token.
double step_seconds(Engine& engine, std::vector<Request> all) {
  const int64_t steps = engine.stats().steps;
  const double begin_s = monotonic_seconds();
  const auto results = engine.run(std::move(all));
  const double seconds = monotonic_seconds() - begin_s;
  INVAR_CHECK(results.ok(), "{}", results.message());
  return seconds / static_cast<double>(engine.stats().steps - steps);
}

// With the model, once: it takes long.
Result<double> model_step_seconds(const BenchContext& context) {
  ModelOptions options = context.command.model;
  options.batch_max = kRunning;
  options.step_rows = kPrefillRows;
  options.page_size = kPageSize;
  INVAR_TRY(const std::unique_ptr<Session> session, open_session(options));
  std::mt19937_64 random(1);
  return step_seconds(*session->engine, requests(session->model.config.vocab_size, random));
}

}  // namespace

int bench_scheduler(const BenchContext& context) {
  NoModel no_model;
  auto engine =
      Engine::create(no_model, context.queue, {.prefill_rows = kPrefillRows, .max_running = kRunning});
  INVAR_CHECK(engine.ok(), "{}", engine.message());
  std::mt19937_64 random(1);
  std::vector<double> seconds;
  const double end_s = monotonic_seconds() + context.command.seconds;
  while (seconds.size() < 3 || monotonic_seconds() < end_s)
    seconds.push_back(step_seconds(**engine, requests(no_model.limits().vocab, random)));
  const double own_s = median(seconds);
  double model_s = 0;
  if (!context.command.model.path.empty()) {
    auto measured = model_step_seconds(context);
    if (!measured.ok()) return fail(measured.message());
    model_s = *measured;
  }
  const std::string shape = fmt::format("{} x {} in, {} out", kRunning, kPrompt, kOutput);
  if (context.command.json) {
    nlohmann::ordered_json json = {{"what", "scheduler"}, {"shape", shape}, {"median_us", own_s * 1e6}};
    if (model_s > 0)
      json.update({{"model_step_us", model_s * 1e6}, {"percent_of_step", own_s / model_s * 100}});
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{:<18} {:<26} {:>11.1f} us a step without a model", "scheduler", shape, own_s * 1e6);
    if (model_s > 0) fmt::print(", {:.2f} % of {:.0f} us with it", own_s / model_s * 100, model_s * 1e6);
    fmt::print("\n");
  }
  std::fflush(stdout);
  return 0;
}

}  // namespace invar
