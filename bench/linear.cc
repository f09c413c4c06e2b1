// linear() on the layer shapes of SmolLM2-135M and one of an 8B model, beside the ceilings of this machine.
//
//   linear [--quick] [fma32|tc16] [tier] [threads] [rows]
//
// Ceilings, measured in this process on as many threads: for many rows the tier's multiply-adds in registers, between
// the runs; for few rows a streaming read of 512 MiB, before them. GB/s counts the weights alone. Time and rates are
// medians; the percentages compare the best run with the best run of the ceiling, because neighbours of a shared
// machine can only slow a run down. One thread is timed by its CPU time, several by the wall.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/linear.h"
#include "kernels/peak.h"

namespace invar {
namespace {

struct Shape {
  int64_t n;
  int64_t k;
};
constexpr Shape kShapes[] = {{960, 576}, {576, 576}, {3072, 576}, {576, 1536}, {49152, 576}, {6144, 4096}};

struct Options {
  bool quick = false;
  std::optional<Profile> profile;
  std::optional<Tier> tier;
  int threads = 0;
  int64_t rows = 0;
};

struct Time {
  double median_s;
  double best_s;
};

double now(int threads) {
  timespec time;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Runs body once to warm up, then until `budget_s` is spent, 5 times at least.
// After each run `between` is called, not timed.
Time measure(
    int threads, double budget_s, const std::function<void()>& body,
    const std::function<void()>& between = [] {}) {
  body();
  std::vector<double> times;
  for (double spent = 0; spent < budget_s || times.size() < 5; spent += times.back()) {
    const double begin = now(threads);
    body();
    times.push_back(now(threads) - begin);
    between();
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front()};
}

void fill(Buffer<bf16>& buffer, uint64_t seed) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  for (int64_t i = 0; i < buffer.size(); ++i) {
    const uint32_t r = random();
    buffer[i] = {static_cast<uint16_t>((r & 0x807fu) | (120 + (r >> 16) % 8) << 7)};
  }
}

double peak_flops(ThreadPool& pool, Tier tier, double budget_s) {
  const int64_t iterations = 200000;
  double flop = 0;
  const Time time = measure(pool.threads(), budget_s, [&] {
    std::vector<double> of_share(static_cast<size_t>(pool.threads()));
    pool.parallel_for(pool.threads(), [&](int64_t begin, int64_t end, int share) {
      for (int64_t i = begin; i < end; ++i) of_share[share] += peak_fma_loop(tier, iterations);
    });
    flop = 0;
    for (double f : of_share) flop += f;
  });
  return flop / time.best_s;
}

// FLOP/s of the faster of the instructions that linear() chooses from in this tier.
double ceiling_flops(ThreadPool& pool, Tier tier, double budget_s) {
  const double flops = peak_flops(pool, tier, budget_s);
  return tier == Tier::kAvx512Bf16 ? std::max(flops, peak_flops(pool, Tier::kAvx512, budget_s)) : flops;
}

// byte/s
double ceiling_read(ThreadPool& pool, double budget_s) {
  static const Buffer<std::byte> memory(int64_t{512} << 20);
  std::vector<uint64_t> sums(static_cast<size_t>(pool.threads()));
  const Time time = measure(pool.threads(), budget_s, [&] {
    pool.parallel_for(memory.size() / 1024, [&](int64_t begin, int64_t end, int share) {
      sums[share] += stream_read(memory.data() + begin * 1024, (end - begin) * 1024);
    });
  });
  return static_cast<double>(memory.size()) / time.best_s;
}

// Enough copies of the weight that none of them is in a cache when its turn comes.
std::vector<PackedWeight> copies(const Shape& shape, int64_t rows) {
  Buffer<bf16> w(shape.n * shape.k);
  fill(w, 1);
  const WeightRows block = {w.data(), shape.n};
  const int64_t count = rows > 16 ? 1 : std::max<int64_t>(1, (int64_t{512} << 20) / (shape.n * shape.k * 2));
  std::vector<PackedWeight> weights;
  for (int64_t i = 0; i < count; ++i) weights.push_back(pack_weight({&block, 1}, shape.k));
  return weights;
}

void bench(const Options& options, Queue& queue, double read, int64_t rows) {
  for (const Shape& shape : kShapes) {
    const std::vector<PackedWeight> weights = copies(shape, rows);
    Buffer<bf16> x(rows * shape.k);
    fill(x, 2);
    Buffer<bf16> out(rows * shape.n);
    const int64_t count = static_cast<int64_t>(weights.size());
    const auto run = [&] {
      for (const PackedWeight& weight : weights)
        linear(queue, {.x = x.data(),
                       .x_stride = shape.k,
                       .weight = &weight,
                       .out_bf16 = out.data(),
                       .out_stride = shape.n,
                       .rows = rows});
    };
    // The clock sinks under long 512-bit work, so the ceiling of arithmetic is taken between the runs.
    double peak = 0;
    const auto peak_now = [&] { peak = std::max(peak, ceiling_flops(queue.pool(), queue.tier(), 0)); };
    const Time time = measure(queue.pool().threads(), options.quick ? 0.1 : 0.5, run, peak_now);
    const double bytes = static_cast<double>(count * shape.n * shape.k) * 2;
    const double flop = bytes * static_cast<double>(rows);
    const double us = 1e6 / static_cast<double>(count);
    std::printf("%-5s %-10s %dt %4ld x [%5ld, %4ld] %9.1f us %6.1f GB/s %6.1f GFLOP/s",
                profile_name(queue.profile()).data(), tier_name(queue.tier()).data(), queue.pool().threads(),
                rows, shape.n, shape.k, time.median_s * us, bytes / time.median_s * 1e-9,
                flop / time.median_s * 1e-9);
    std::printf(" | best %9.1f us: read %3.0f%% flop %3.0f%%\n", time.best_s * us,
                bytes / time.best_s / read * 100, flop / time.best_s / peak * 100);
  }
}

void bench_threads(const Options& options, int threads) {
  ThreadPool pool(threads);
  for (Tier tier : {Tier::kAvx2, Tier::kAvx512, Tier::kAvx512Bf16}) {
    if (!tier_supported(tier) || (options.tier && options.tier != tier)) continue;
    const double budget_s = options.quick ? 0.2 : 1.0;
    const double read = ceiling_read(pool, budget_s);
    std::printf("ceilings %s %dt: %.1f GFLOP/s, read %.1f GB/s\n", tier_name(tier).data(), threads,
                ceiling_flops(pool, tier, budget_s) * 1e-9, read * 1e-9);
    for (Profile profile : {Profile::kFma32, Profile::kTc16}) {
      if (options.profile && options.profile != profile) continue;
      Queue queue(pool, profile, tier);
      for (int64_t rows : {1, 2, 4, 8, 16, 32, 512})
        if (options.rows == 0 || options.rows == rows) bench(options, queue, read, rows);
    }
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--quick")
      options.quick = true;
    else if (parse_profile(word))
      options.profile = parse_profile(word);
    else if (parse_tier(word))
      options.tier = parse_tier(word);
    else if (options.threads == 0)
      options.threads = std::atoi(argv[i]);
    else
      options.rows = std::atoi(argv[i]);
  }
  return options;
}

}  // namespace
}  // namespace invar

int main(int argc, char** argv) {
  const invar::Options options = invar::parse(argc, argv);
  for (int threads : {1, 2})
    if (options.threads == 0 || options.threads == threads) invar::bench_threads(options, threads);
}
