// How `invar bench` measures and prints: medians of repeated runs, beside ceilings of the same process.
#pragma once

#include <functional>
#include <string>

#include "cli/commands.h"
#include "kernels/queue.h"

namespace invar {

struct Time {
  double median_s;
  double best_s;
};

// Runs `body` once to warm up, then until `budget_s` is spent, 5 times at least.
Time measure(double budget_s, const std::function<void()>& body);

// What this machine can do on all threads of a pool; every percentage is of one of these.
struct Ceilings {
  Time fma;            // of fma_flop multiply-adds in registers, by the tier's widest instruction
  double fma_flop;
  Time read;           // of read_bytes from memory
  double read_bytes;
};
Ceilings measure_ceilings(ThreadPool& pool, Tier tier, double budget_s);

struct BenchContext {
  const BenchCommand& command;
  Queue& queue;
  Ceilings ceilings;
};

// One line: what, its shape, the median, and whichever of FLOP and bytes is not 0 as a rate and as a percentage of the
// ceiling. Percentages compare the best run with the ceiling's best run: neighbours of a shared machine only slow runs down.
struct BenchLine {
  std::string what;
  std::string shape;
  Time time;
  double flop = 0;
  double bytes = 0;
  double tokens = 0;
};
void print_line(const BenchContext& context, const BenchLine& line);

void bench_linear(const BenchContext& context);
void bench_attention(const BenchContext& context);
// Returns an exit code; opens command.model.
int bench_model(const BenchContext& context, bool prefill, bool decode);

}  // namespace invar
