// How `invar bench` measures and prints: medians of repeated runs, beside ceilings of the same process.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "kernels/queue.h"
#include "tensor/buffer.h"

namespace invar {

// What this machine can do on all threads of a pool, now: multiply-adds in registers by the fastest
// instruction that the profile's products may use on the tier, and reading memory.
class Ceilings {
 public:
  Ceilings(ThreadPool& pool, Profile profile, Tier tier);

  // FLOP/s and byte/s of the best of a few short runs.
  double flops() const;
  double read() const;

  static constexpr int64_t kReadBytes = int64_t{512} << 20;  // more than any cache that we know

 private:
  double product_loop(Tier tier) const;

  ThreadPool& pool_;
  Tier tier_;  // the one whose instruction is the fastest here
  Buffer<std::byte> data_;
};

struct BenchContext {
  const BenchCommand& command;
  Queue& queue;
  const Ceilings& ceilings;
};

// One line: what, its shape, the median, and whichever of FLOP and bytes is not 0 as a rate and as a percentage of the
// ceiling.
//
// A shared machine drifts by tens of percent within seconds. So a line is measured in rounds, each between two
// measurements of the ceiling, and the percentage is the median over the rounds of (median rate / mean ceiling).
struct BenchLine {
  std::string what;
  std::string shape;
  double flop = 0;
  double bytes = 0;
  double tokens = 0;
};
void bench_line(const BenchContext& context, const BenchLine& line, const std::function<void()>& body);
// The same for a body that times itself: it returns seconds.
void bench_timed_line(const BenchContext& context, const BenchLine& line,
                      const std::function<double()>& body);

double median(std::vector<double> values);

void bench_linear(const BenchContext& context);
void bench_linear_grad(const BenchContext& context);
void bench_adamw(const BenchContext& context);
void bench_attention(const BenchContext& context);
// The engine without a model at 256 running requests, and what part of a step with command.model that is, where there
// is one. Returns an exit code.
int bench_scheduler(const BenchContext& context);
// Which lines of a whole model are wanted.
struct ModelSections {
  bool prefill, decode, throughput;

  bool any() const { return prefill || decode || throughput; }
};
// A training update in parts. Returns an exit code; opens command.model.
int bench_train(const BenchContext& context);
// Returns an exit code; opens command.model.
int bench_model(const BenchContext& context, const ModelSections& sections);

}  // namespace invar
