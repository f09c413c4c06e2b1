// World: a random engine on a simulated executor, random requests, and everything that may happen to them, from one
// seed. The same seed is the same run.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "engine/engine.h"
#include "reference.h"
#include "sim_executor.h"

namespace invar {

class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}
  // The same on every machine, unlike a standard distribution.
  int64_t below(int64_t n) { return static_cast<int64_t>(bits_() % static_cast<uint64_t>(n)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool one_in(int64_t n) { return below(n) == 0; }
  template <class T>
  T pick(std::initializer_list<T> values) {
    return *(values.begin() + below(static_cast<int64_t>(values.size())));
  }

 private:
  std::mt19937_64 bits_;
};

// The settings of a world: small numbers, so that every limit is met often.
struct WorldSettings {
  explicit WorldSettings(uint64_t seed);
  std::string text() const;

  Executor::Limits limits;
  EngineOptions engine;
  SimModel model;
  int threads;
  int64_t prompt_max, output_max;
  int64_t requests;         // of the world, unless it is shrunk
  int64_t burst_max;        // submitted at once
  int64_t submits_one_in;   // steps
  int64_t aborts_one_in;    // steps; 0: never. The same of these:
  int64_t preempts_one_in;  // of all
  int64_t flushes_one_in;
  int64_t weights_one_in;
  int64_t abort_alls_one_in;
  bool allocations_fail;        // inside submit()
  int64_t step_failures_one_in;  // steps: an allocation fails inside step()
  bool has_text;                 // the engine has a tokenizer
};

// How often what a world is for has happened.
struct WorldEvents {
  int64_t steps = 0, requests = 0, samples = 0, tokens = 0;
  int64_t refused = 0, failed_allocations = 0, aborted = 0, broken = 0;  // requests
  int64_t preemptions = 0, evicted_pages = 0, copied_pages = 0, cached_tokens = 0, weight_changes = 0;
  int64_t thrown = 0, without_memory = 0, stop_strings = 0;  // by on_token; samples

  void add(const WorldEvents& other);
  std::string text() const;
};

class World {
 public:
  // Submits at most `requests_max` requests, then none.
  World(uint64_t seed, int64_t requests_max);
  ~World();

  // One step of the engine, and what happens before it. False when the world has ended or something was wrong.
  bool step();
  // The first thing that was wrong, or "".
  const std::string& wrong() const;
  WorldEvents events() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace invar
