// invar bench: the command, its ceilings and its lines.
#include <fmt/format.h>

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

constexpr const char* kSections[] = {"ceilings", "linear", "attention", "prefill", "decode"};

// More than any cache of a machine that we know.
constexpr int64_t kReadBytes = int64_t{512} << 20;

double rate(double amount, double seconds) { return amount / seconds * 1e-9; }

void print_ceilings(const BenchContext& context) {
  print_line(context, {.what = "multiply-adds in registers",
                       .shape = std::string(tier_name(context.queue.tier())),
                       .time = context.ceilings.fma,
                       .flop = context.ceilings.fma_flop});
  print_line(context, {.what = "read from memory",
                       .shape = fmt::format("{} MiB", kReadBytes >> 20),
                       .time = context.ceilings.read,
                       .bytes = context.ceilings.read_bytes});
}

}  // namespace

Time measure(double budget_s, const std::function<void()>& body) {
  body();
  std::vector<double> times;
  for (double spent = 0; spent < budget_s || times.size() < 5; spent += times.back()) {
    const double begin_s = monotonic_seconds();
    body();
    times.push_back(std::max(monotonic_seconds() - begin_s, 1e-9));
  }
  std::sort(times.begin(), times.end());
  return {.median_s = times[times.size() / 2], .best_s = times.front()};
}

Ceilings measure_ceilings(ThreadPool& pool, Tier tier, double budget_s) {
  // The specification's tier has no ceiling of its own.
  if (tier == Tier::kRef) tier = Tier::kAvx2;
  const int64_t iterations = 200000;
  std::vector<double> flop(pool.threads());
  Ceilings ceilings;
  ceilings.fma = measure(budget_s, [&] {
    pool.parallel_for(pool.threads(), [&](int64_t, int64_t, int share) { flop[share] = peak_fma_loop(tier, iterations); });
  });
  ceilings.fma_flop = 0;
  for (double f : flop) ceilings.fma_flop += f;

  Buffer<std::byte> data(kReadBytes);
  std::vector<uint64_t> sums(pool.threads());
  ceilings.read = measure(budget_s, [&] {
    pool.parallel_for(kReadBytes / 1024, [&](int64_t begin, int64_t end, int share) {
      sums[share] += stream_read(data.data() + begin * 1024, (end - begin) * 1024);
    });
  });
  ceilings.read_bytes = static_cast<double>(kReadBytes);
  return ceilings;
}

void print_line(const BenchContext& context, const BenchLine& line) {
  const Ceilings& c = context.ceilings;
  const double flops_part = rate(line.flop, line.time.best_s) / rate(c.fma_flop, c.fma.best_s) * 100;
  const double bytes_part = rate(line.bytes, line.time.best_s) / rate(c.read_bytes, c.read.best_s) * 100;
  if (context.command.json) {
    nlohmann::ordered_json json = {{"what", line.what},
                                   {"shape", line.shape},
                                   {"profile", profile_name(context.queue.profile())},
                                   {"tier", tier_name(context.queue.tier())},
                                   {"threads", context.queue.pool().threads()},
                                   {"median_us", line.time.median_s * 1e6},
                                   {"best_us", line.time.best_s * 1e6}};
    if (line.flop > 0) json.update({{"gflops", rate(line.flop, line.time.median_s)}, {"percent_of_fma", flops_part}});
    if (line.bytes > 0) json.update({{"gb_s", rate(line.bytes, line.time.median_s)}, {"percent_of_read", bytes_part}});
    if (line.tokens > 0) json["tokens_s"] = line.tokens / line.time.median_s;
    fmt::print("{}\n", json.dump());
  } else {
    std::string text = fmt::format("{:<27} {:<26} {:>11.1f} us", line.what, line.shape, line.time.median_s * 1e6);
    text += line.flop > 0 ? fmt::format("  {:>8.1f} GFLOP/s {:>5.1f} %", rate(line.flop, line.time.median_s), flops_part)
                          : std::string(26, ' ');
    if (line.bytes > 0)
      text += fmt::format("  {:>7.1f} GB/s {:>5.1f} %", rate(line.bytes, line.time.median_s), bytes_part);
    if (line.tokens > 0) text += fmt::format("  {:>8.1f} tokens/s", line.tokens / line.time.median_s);
    fmt::print("{}\n", text);
  }
  std::fflush(stdout);
}

int run_bench(const BenchCommand& command) {
  const auto wants = [&](const char* section) {
    return command.what.empty() || std::find(command.what.begin(), command.what.end(), section) != command.what.end();
  };
  for (const std::string& what : command.what) {
    if (std::find(std::begin(kSections), std::end(kSections), what) == std::end(kSections))
      return fail(fmt::format("bench: expected ceilings, linear, attention, prefill or decode, found \"{}\"", what));
  }
  if (!(command.seconds > 0 && command.seconds <= 600))
    return fail(fmt::format("--seconds: expected more than 0 and at most 600, found {}", command.seconds));
  auto profile = profile_option(command.model.profile);
  if (!profile.ok()) return fail(profile.message());
  auto tier = tier_option(command.model.isa);
  if (!tier.ok()) return fail(tier.message());
  auto threads = threads_option(command.model.threads);
  if (!threads.ok()) return fail(threads.message());

  ThreadPool pool(*threads);
  Queue queue(pool, *profile, *tier);
  const BenchContext context{.command = command,
                             .queue = queue,
                             .ceilings = measure_ceilings(pool, *tier, command.seconds)};
  if (!command.json) {
    fmt::print("{}, {}, {} threads; median time and rates; % of the ceilings, best run against best run\n",
               profile_name(*profile), tier_name(*tier), *threads);
  }
  print_ceilings(context);
  if (wants("linear")) bench_linear(context);
  if (wants("attention")) bench_attention(context);
  if (command.model.path.empty()) {
    const bool asked = !command.what.empty() && (wants("prefill") || wants("decode"));
    return asked ? fail("bench: prefill and decode need a model; give --model PATH") : 0;
  }
  return wants("prefill") || wants("decode") ? bench_model(context, wants("prefill"), wants("decode")) : 0;
}

}  // namespace invar
