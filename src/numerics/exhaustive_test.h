// For tests of functions of one fp32: walks all 2^32 inputs, or every 1009th, on all cores.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace invar {

// INVAR_SLOW_TESTS=1: every input.
inline bool slow_tests() {
  const char* value = std::getenv("INVAR_SLOW_TESTS");
  return value != nullptr && std::strcmp(value, "1") == 0;
}
inline uint64_t input_stride() { return slow_tests() ? 1 : 1009; }

// Merges visit(state, bits) over the inputs bits = 0, stride, 2 stride, ... below 2^32: each thread has a
// State of its own, which the first then takes in by merge(other).
template <class State, class Visit>
State for_all_inputs(const Visit& visit) {
  const uint64_t stride = input_stride();
  const int64_t inputs = static_cast<int64_t>(((1ull << 32) + stride - 1) / stride);
  ThreadPool pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  std::vector<State> states(pool.threads());
  pool.parallel_for(inputs, [&](int64_t begin, int64_t end, int share) {
    State state;
    for (int64_t i = begin; i < end; ++i) visit(state, static_cast<uint32_t>(i * stride));
    states[share] = state;
  });
  for (size_t i = 1; i < states.size(); ++i) states[0].merge(states[i]);
  return states[0];
}

// |got - exact| in units of the last place of an fp32 of exact's magnitude (2^-149 for subnormals). exact:
// not zero.
inline double error_ulp(float got, double exact) {
  const int64_t exponent = static_cast<int64_t>(std::bit_cast<uint64_t>(exact) >> 52 & 0x7ff) - 1023;
  const int64_t units = 23 - std::max<int64_t>(exponent, -126);  // one ulp is 2^-units
  return std::fabs(static_cast<double>(got) - exact) *
         std::bit_cast<double>(static_cast<uint64_t>(units + 1023) << 52);
}

// A term of a hash that does not depend on the order of inputs: the sum, modulo 2^64, of a mix of (input,
// output). All NaNs count as one.
inline uint64_t hash_term(uint32_t input, float output) {
  uint32_t bits = 0;
  std::memcpy(&bits, &output, sizeof(bits));
  if (output != output) bits = 0x7fffffffu;
  uint64_t x = static_cast<uint64_t>(input) << 32 | bits;  // splitmix64's finaliser
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

}  // namespace invar
