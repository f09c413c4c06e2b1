// The text of peak_product_loop() for all tiers. Everything is static: ISA files include it.
#pragma once

#include <cstdint>

namespace invar {

// Runs acc = step(acc) on kChains independent vector registers, all starting at `first`; more chains than the latency
// of step times its throughput hide the latency. Returns iterations kChains flop_per_step.
template <int kChains, class Vector, class Step>
static inline double peak_loop(int64_t iterations, int flop_per_step, Vector first, const Step& step) {
  Vector acc[kChains];
#pragma GCC unroll 24
  for (int j = 0; j < kChains; ++j) acc[j] = first;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) acc[j] = step(acc[j]);
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) asm volatile("" : "+v"(acc[j]));  // keeps all chains, in registers
  }
  return static_cast<double>(iterations) * kChains * flop_per_step;
}

}  // namespace invar
