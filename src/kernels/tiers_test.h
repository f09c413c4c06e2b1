// What the tests of row-wise ops share: every tier of this machine, thread counts, and seeded
// inputs.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/split_mix.h"
#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : random_(seed) {}

  uint64_t next() { return random_.next(); }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  float normal() {  // near enough: the sum of twelve uniforms
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return static_cast<float>(sum);
  }
  std::vector<float> normals(int64_t n, float scale = 1.0f) {
    std::vector<float> out(static_cast<std::size_t>(n));
    for (float& x : out) x = scale * normal();
    return out;
  }
  std::vector<bf16> bf16_normals(int64_t n, float scale = 1.0f) {
    std::vector<bf16> out(static_cast<std::size_t>(n));
    for (bf16& x : out) x = to_bf16(scale * normal());
    return out;
  }
  // Any bits: subnormals, infinities and NaNs among them.
  std::vector<bf16> bf16_bits(int64_t n) {
    std::vector<bf16> out(static_cast<std::size_t>(n));
    for (bf16& x : out) x = {static_cast<uint16_t>(next())};
    return out;
  }

 private:
  SplitMix64 random_;
};

// A queue of a tier with a number of threads, for the specification: {Tier::kRef, 1}.
struct TestQueue {
  TestQueue(Tier tier, int threads) : pool(threads), queue(pool, Profile::kFma32, tier) {}

  std::string name() const {
    return std::string(tier_name(queue.tier())) + ", threads " + std::to_string(pool.threads());
  }

  ThreadPool pool;
  Queue queue;
};

// Every supported tier with 1, 2, 3 and 5 threads.
inline std::vector<std::unique_ptr<TestQueue>> all_queues() {
  std::vector<std::unique_ptr<TestQueue>> queues;
  for (Tier tier : kAllTiers)
    for (int threads : {1, 2, 3, 5})
      if (tier_supported(tier)) queues.push_back(std::make_unique<TestQueue>(tier, threads));
  return queues;
}

// One for each number of threads, for as long as the program runs.
inline ThreadPool& shared_pool(int threads) {
  static std::map<int, std::unique_ptr<ThreadPool>> pools;
  std::unique_ptr<ThreadPool>& pool = pools[threads];
  if (!pool) pool = std::make_unique<ThreadPool>(threads);
  return *pool;
}

// A RoPE table of theta 10000, [positions, 2, head_dim / 2].
inline std::vector<float> rope_test_table(int64_t positions, int64_t head_dim) {
  std::vector<float> cos_sin(static_cast<std::size_t>(positions * head_dim));
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < head_dim / 2; ++i) {
      const double angle =
          static_cast<double>(p) * std::pow(10000.0, -2.0 * static_cast<double>(i) / head_dim);
      cos_sin[p * head_dim + i] = static_cast<float>(std::cos(angle));
      cos_sin[p * head_dim + head_dim / 2 + i] = static_cast<float>(std::sin(angle));
    }
  }
  return cos_sin;
}

inline double relative_error(double value, double expected) {
  return std::abs(value - expected) / std::max(1e-30, std::abs(expected));
}

}  // namespace invar
