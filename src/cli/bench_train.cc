// invar bench train: where the time of a training update goes, on a whole model.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/bench_measure.h"
#include "cli/bench_train_parts.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "engine/weight_updater.h"
#include "io/tree_hash.h"
#include "rl/publish_weights.h"
#include "train/micro_batch.h"
#include "train/optimizer.h"

namespace invar {
namespace {

constexpr int kTrainRounds = 15;
constexpr double kLongestShape = 20;  // seconds, but at least one round

constexpr TrainShape kTrainShapes[] = {{16, 96, 48}, {8, 256, 128}, {64, 52, 12}};

// One line of the table.
struct TrainLine {
  const char* what;
  int depth;                     // of its place below others
  double flop;                   // of products with weights; 0: it has none, or they are another line's
  std::vector<double> seconds;   // of each round
  std::vector<double> percents;  // of the product peak right before and after
};

class TrainTable {
 public:
  explicit TrainTable(const BenchContext& context) : context_(context) {}

  double peak() const { return context_.ceilings.flops(); }
  // peak: the mean around these seconds.
  void add(const char* what, int depth, double flop, double seconds, double peak = 1) {
    auto line = std::find_if(lines_.begin(), lines_.end(),
                             [&](const TrainLine& l) { return std::string_view(l.what) == what; });
    if (line == lines_.end()) line = lines_.insert(line, {what, depth, flop, {}, {}});
    line->seconds.push_back(seconds);
    line->percents.push_back(flop / seconds / peak * 100);
  }
  void print(const TrainShape& shape, double step_s) const;

 private:
  const BenchContext& context_;
  std::vector<TrainLine> lines_;
};

void TrainTable::print(const TrainShape& shape, double step_s) const {
  for (const TrainLine& line : lines_) {
    const double s = median(line.seconds), percent = median(line.percents);
    if (context_.command.json) {
      nlohmann::ordered_json json = {{"what", fmt::format("train {}", line.what)},
                                     {"shape", shape.text()},
                                     {"threads", context_.queue.pool().threads()},
                                     {"median_us", s * 1e6},
                                     {"share", s / step_s}};
      if (line.flop > 0) json.update({{"gflops", line.flop / s * 1e-9}, {"percent_of_fma", percent}});
      fmt::print("{}\n", json.dump());
      continue;
    }
    const std::string what = std::string(static_cast<std::size_t>(2 * line.depth), ' ') + line.what;
    fmt::print("{:<44} {:>9.1f} ms {:>5.1f} %{}\n", what, s * 1e3, s / step_s * 100,
               line.flop > 0 ? fmt::format("  {:>6.1f} GFLOP/s {:>5.1f} %", line.flop / s * 1e-9, percent) : "");
  }
  std::fflush(stdout);
}

struct TrainSetup {
  TrainSetup(Session& session, const TrainShape& shape, const Ceilings& ceilings)
      : session(session),
        layout(session.model),
        gradients(session.model, layout),
        optimizer(layout, *session.pool),
        transposed(session.model, *session.pool),
        updater(session.model, session.digest, *session.queue, *session.executor, *session.engine),
        whole(session.model, *session.queue, shape.rows(), int64_t{1} << 40),
        frugal(session.model, *session.queue, shape.rows(), 0),
        parts(session.model, *session.queue, shape, [&] { return ceilings.flops(); }) {
    std::mt19937 random(1);
    const auto vocab = static_cast<uint32_t>(session.model.config.vocab_size);
    tokens.resize(static_cast<std::size_t>(shape.sequences * shape.tokens));
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % vocab);
    for (int64_t s = 0; s < shape.sequences; ++s)
      sequences.push_back({.tokens = std::span(tokens).subspan(static_cast<std::size_t>(s * shape.tokens),
                                                               static_cast<std::size_t>(shape.tokens)),
                           .scored_begin = shape.tokens - shape.scored});
    for (int64_t i = 0; i < shape.sequences * shape.scored; ++i)
      d_log_prob.push_back(random() % 2 == 0 ? 1.0f : -1.0f);
  }

  // Memory is touched for the first time here.
  void warm_up() {
    whole.forward(sequences);
    frugal.forward(sequences);
  }

  Session& session;
  ParameterLayout layout;
  Gradients gradients;
  Optimizer optimizer;
  TransposedWeights transposed;
  WeightUpdater updater;
  MicroBatch whole, frugal;  // which keeps all activations, and which keeps as few as it can
  TrainParts parts;
  std::vector<int32_t> tokens;
  std::vector<TrainSequence> sequences;
  std::vector<float> d_log_prob;
};

// What an update does beside forward and backward. A learning rate of 0: the weights stay those of the model. Returns
// its seconds.
double time_update(TrainSetup& t, TrainTable& table) {
  Queue& queue = *t.session.queue;
  double all_s = 0;
  const auto time = [&](const char* what, const std::function<void()>& body) {
    const double begin_s = monotonic_seconds();
    body();
    const double seconds = monotonic_seconds() - begin_s;
    table.add(what, 0, 0, seconds);
    all_s += seconds;
  };
  time("gradient norm and AdamW", [&] {
    const auto report = t.optimizer.step(queue, {}, {.number = 1, .learning_rate = 0, .denominator = 1}, t.gradients);
    INVAR_CHECK(report.ok(), "{}", report.message());
  });
  time("digest of the gradient", [&] { tree_hash_hex(std::as_bytes(t.gradients.sums()), queue.pool()); });
  time("weights into the engine, with their digest", [&] {
    const Status status = t.updater.replace(named_weights(t.layout, t.optimizer));
    INVAR_CHECK(status.ok(), "{}", status.message());
  });
  time("transposed weights", [&] { t.transposed.update(t.session.model, queue.pool()); });
  time("clearing the gradient", [&] { t.gradients.clear(queue); });
  return all_s;
}

struct StepTimes {
  double forward_s, backward_s;
  double peaks[3];  // before, between and after

  double seconds() const { return forward_s + backward_s; }
  double peak() const {
    return (forward_s * (peaks[0] + peaks[1]) + backward_s * (peaks[1] + peaks[2])) / (2 * seconds());
  }
};

StepTimes time_step(TrainSetup& t, MicroBatch& micro_batch, const TrainTable& table) {
  StepTimes times{};
  t.gradients.clear(*t.session.queue);
  times.peaks[0] = table.peak();
  double begin_s = monotonic_seconds();
  micro_batch.forward(t.sequences);
  times.forward_s = monotonic_seconds() - begin_s;
  times.peaks[1] = table.peak();
  begin_s = monotonic_seconds();
  micro_batch.backward(t.transposed, t.d_log_prob, {}, t.gradients);
  times.backward_s = monotonic_seconds() - begin_s;
  times.peaks[2] = table.peak();
  return times;
}

void add_parts(const PartTimes& times, double whole_s, const char* rest, TrainTable& table) {
  for (const PartTime& part : times) {
    table.add(part.what, part.within ? 2 : 1, part.flop, part.seconds, part.peak);
    if (!part.within) whole_s -= part.seconds;
  }
  table.add(rest, 1, 0, whole_s);
}

// One update in parts. Returns its seconds.
double train_round(TrainSetup& t, const TrainFlop& flop, TrainTable& table) {
  const double both = flop.forward() + flop.backward();
  const StepTimes step = time_step(t, t.whole, table);
  table.add("forward and backward", 0, both, step.seconds(), step.peak());
  const double update_s = time_update(t, table);
  table.add("forward", 0, flop.forward(), step.forward_s, (step.peaks[0] + step.peaks[1]) / 2);
  add_parts(t.parts.forward(), step.forward_s, "rest: norms, RoPE, SwiGLU, cache, copies", table);
  table.add("backward", 0, flop.backward(), step.backward_s, (step.peaks[1] + step.peaks[2]) / 2);
  add_parts(t.parts.backward(t.gradients), step.backward_s, "rest: norms, RoPE, SwiGLU, rounding", table);
  const StepTimes frugal = time_step(t, t.frugal, table);
  const double head = static_cast<double>(t.frugal.logits_to_recompute()) / static_cast<double>(t.d_log_prob.size());
  table.add("forward and backward, keeping few activations", 0, both, frugal.seconds(), frugal.peak());
  table.add("the same, what is computed twice counted twice", 0, both + flop.recompute(head), frugal.seconds(),
            frugal.peak());
  return step.seconds() + update_s;
}

}  // namespace

int bench_train(const BenchContext& context) {
  ModelOptions options = context.command.model;
  options.kv_mib = std::min<int64_t>(options.kv_mib, 64);  // nothing is sampled
  auto session = open_session(options);
  if (!session.ok()) return fail(session.message());
  std::fflush(stdout);
  for (const TrainShape& shape : kTrainShapes) {
    if (shape.tokens > (*session)->model.config.max_position) continue;
    TrainSetup trainer(**session, shape, context.ceilings);
    const TrainFlop flop((*session)->model, shape);
    TrainTable table(context);
    std::vector<double> steps;
    trainer.warm_up();
    const double last_s = monotonic_seconds() + std::max(context.command.seconds, kLongestShape);
    for (int i = 0; i < kTrainRounds && (i < 1 || monotonic_seconds() < last_s); ++i)
      steps.push_back(train_round(trainer, flop, table));
    if (!context.command.json)
      fmt::print("train {}: {} rows, {:.2f} TFLOP; an update of {:.1f} ms, {:.0f} tokens/s; medians of {} rounds\n",
                 shape.text(), shape.rows(), (flop.forward() + flop.backward()) * 1e-12, median(steps) * 1e3,
                 static_cast<double>(shape.rows()) / median(steps), steps.size());
    table.print(shape, median(steps));
  }
  return 0;
}

}  // namespace invar
