// The seed of a randomised test.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace invar {

// INVAR_SEED, or another one in each run; printed, so that a run can be had again.
inline uint64_t run_seed() {
  const char* given = std::getenv("INVAR_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("seed %llu; INVAR_SEED=%llu runs the same combinations again\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace invar
