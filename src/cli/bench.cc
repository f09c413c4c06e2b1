// invar bench: the command, its ceilings and its lines.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/clock.h"
#include "cli/bench_measure.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "kernels/peak.h"

namespace invar {
namespace {

constexpr const char* kSections[] = {"ceilings",  "linear",  "linear-grad", "adamw",     "attention",
                                     "scheduler", "prefill", "decode",      "throughput", "train"};

constexpr int kRounds = 15;
constexpr double kLongestLine = 10;  // seconds that a line may take beyond what was asked for

double seconds_of(const std::function<void()>& body) {
  const double begin_s = monotonic_seconds();
  body();
  return std::max(monotonic_seconds() - begin_s, 1e-9);
}

// The best of `runs`.
double best_seconds(int runs, const std::function<void()>& body) {
  double best = seconds_of(body);
  for (int i = 1; i < runs; ++i) best = std::min(best, seconds_of(body));
  return best;
}

struct Measured {
  double median_s;
  double percent_flops;
  double percent_read;
};

// Medians over rounds of at least `budget_s` in total.
Measured measure(const BenchContext& context, const BenchLine& line, const std::function<double()>& body) {
  body();  // warms up
  const auto flops_now = [&] { return line.flop > 0 ? context.ceilings.flops() : 1; };
  const auto read_now = [&] { return line.bytes > 0 ? context.ceilings.read() : 1; };
  std::vector<double> seconds, flops, read;
  double flops_before = flops_now();
  double read_before = read_now();
  const double last_s = monotonic_seconds() + std::max(context.command.seconds, kLongestLine);
  for (int round = 0; round < kRounds; ++round) {
    // A body of seconds has fewer rounds, but at least three.
    if (round >= 3 && monotonic_seconds() > last_s) break;
    std::vector<double> times;
    // Wall time, not the sum of `times`: a body may report a part of what it ran.
    const double end_s = monotonic_seconds() + context.command.seconds / kRounds;
    while (times.empty() || monotonic_seconds() < end_s) times.push_back(body());
    seconds.push_back(median(times));
    const double flops_after = flops_now();
    const double read_after = read_now();
    flops.push_back(line.flop / seconds.back() / ((flops_before + flops_after) / 2) * 100);
    read.push_back(line.bytes / seconds.back() / ((read_before + read_after) / 2) * 100);
    flops_before = flops_after;
    read_before = read_after;
  }
  return {.median_s = median(seconds), .percent_flops = median(flops), .percent_read = median(read)};
}

void print_json(const BenchContext& context, const BenchLine& line, const Measured& m) {
  nlohmann::ordered_json json = {{"what", line.what},
                                 {"shape", line.shape},
                                 {"profile", profile_name(context.queue.profile())},
                                 {"tier", tier_name(context.queue.tier())},
                                 {"threads", context.queue.pool().threads()},
                                 {"median_us", m.median_s * 1e6}};
  if (line.flop > 0)
    json.update({{"gflops", line.flop / m.median_s * 1e-9}, {"percent_of_fma", m.percent_flops}});
  if (line.bytes > 0)
    json.update({{"gb_s", line.bytes / m.median_s * 1e-9}, {"percent_of_read", m.percent_read}});
  if (line.tokens > 0) json["tokens_s"] = line.tokens / m.median_s;
  fmt::print("{}\n", json.dump());
}

void print_text(const BenchLine& line, const Measured& m) {
  std::string text = fmt::format("{:<18} {:<26} {:>11.1f} us", line.what, line.shape, m.median_s * 1e6);
  text += line.flop > 0
              ? fmt::format("  {:>7.1f} GFLOP/s {:>5.1f} %", line.flop / m.median_s * 1e-9, m.percent_flops)
              : std::string(25, ' ');
  text += line.bytes > 0
              ? fmt::format("  {:>6.1f} GB/s {:>5.1f} %", line.bytes / m.median_s * 1e-9, m.percent_read)
              : std::string(21, ' ');
  if (line.tokens > 0) text += fmt::format("  {:>8.1f} tokens/s", line.tokens / m.median_s);
  fmt::print("{}\n", text);
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Ceilings::Ceilings(ThreadPool& pool, Profile profile, Tier tier)
    : pool_(pool), tier_(tier), data_(kReadBytes) {
  // The specification's tier has no ceiling of its own. vdpbf16ps is slower than two FMAs on some CPUs, and a kernel
  // may use either.
  if (tier == Tier::kRef) tier_ = Tier::kAvx2;
  if (tier < Tier::kAvx512Bf16 || (profile == Profile::kAmx32 && tier == Tier::kAmx)) return;
  const bool dp = profile != Profile::kAmx32 && product_loop(Tier::kAvx512) < product_loop(Tier::kAvx512Bf16);
  tier_ = dp ? Tier::kAvx512Bf16 : Tier::kAvx512;
}

double Ceilings::product_loop(Tier tier) const {
  std::vector<double> flop(pool_.threads());
  const double seconds = best_seconds(2, [&] {
    pool_.parallel_for(pool_.threads(),
                       [&](int64_t, int64_t, int share) { flop[share] = peak_product_loop(tier, 200000); });
  });
  double sum = 0;
  for (double f : flop) sum += f;
  return sum / seconds;
}

double Ceilings::flops() const { return product_loop(tier_); }

double Ceilings::read() const {
  std::vector<uint64_t> sums(pool_.threads());
  const double seconds = best_seconds(2, [&] {
    pool_.parallel_for(kReadBytes / 1024, [&](int64_t begin, int64_t end, int share) {
      sums[share] += stream_read(data_.data() + begin * 1024, (end - begin) * 1024);
    });
  });
  return static_cast<double>(kReadBytes) / seconds;
}

void bench_timed_line(const BenchContext& context, const BenchLine& line,
                      const std::function<double()>& body) {
  const Measured measured = measure(context, line, body);
  if (context.command.json) {
    print_json(context, line, measured);
  } else {
    print_text(line, measured);
  }
  std::fflush(stdout);
}

void bench_line(const BenchContext& context, const BenchLine& line, const std::function<void()>& body) {
  bench_timed_line(context, line, [&] { return seconds_of(body); });
}

int run_bench(const BenchCommand& command) {
  const auto wants = [&](const char* section) {
    return command.what.empty() ||
           std::find(command.what.begin(), command.what.end(), section) != command.what.end();
  };
  for (const std::string& what : command.what) {
    if (std::find(std::begin(kSections), std::end(kSections), what) == std::end(kSections))
      return fail(fmt::format("bench: expected one of {}, found \"{}\"", fmt::join(kSections, ", "), what));
  }
  if (!(command.seconds > 0 && command.seconds <= 600))
    return fail(fmt::format("--seconds: expected more than 0 and at most 600, found {}", command.seconds));
  auto profile = profile_option(command.model.profile);
  if (!profile.ok()) return fail(profile.message());
  auto tier = tier_option(command.model.isa);
  if (!tier.ok()) return fail(tier.message());
  auto threads = threads_option(command.model.threads);
  if (!threads.ok()) return fail(threads.message());

  const ModelSections sections{
      .prefill = wants("prefill"), .decode = wants("decode"), .throughput = wants("throughput")};
  if (!command.what.empty() && (sections.any() || wants("train")) && command.model.path.empty())
    return fail("bench: prefill, decode, throughput and train need a model; give --model PATH");

  ThreadPool pool(*threads);
  Queue queue(pool, *profile, *tier);
  const Ceilings ceilings(pool, *profile, *tier);
  const BenchContext context{.command = command, .queue = queue, .ceilings = ceilings};
  if (!command.json) {
    fmt::print(
        "{}, {}, {} threads; now {:.0f} GFLOP/s of multiply-adds in registers, {:.1f} GB/s of reading {} "
        "MiB\n",
        profile_name(*profile), tier_name(*tier), *threads, ceilings.flops() * 1e-9, ceilings.read() * 1e-9,
        Ceilings::kReadBytes >> 20);
    fmt::print("medians; % of these ceilings, measured again beside every line\n");
  }
  if (wants("linear")) bench_linear(context);
  if (wants("linear-grad")) bench_linear_grad(context);
  if (wants("adamw")) bench_adamw(context);
  if (wants("attention")) bench_attention(context);
  if (wants("scheduler")) {
    if (const int code = bench_scheduler(context); code != 0) return code;
  }
  if (command.model.path.empty()) return 0;
  if (wants("train")) {
    if (const int code = bench_train(context); code != 0) return code;
  }
  return sections.any() ? bench_model(context, sections) : 0;
}

}  // namespace invar
