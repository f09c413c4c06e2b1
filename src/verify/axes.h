// Axes: what may change around a request without changing a bit of its output; and a setting, one value on each.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace invar {

// In the order in which shrinking puts them back: what is left last names the fault best.
enum AxisId : int {
  kOrder,    // 0: as listed; else the seed of a permutation
  kArrival,  // 0: all before the first step; else the seed of who comes between which steps
  kPreempt,  // 0: never; else the seed of the steps before which every running sample is preempted
  kPool,     // PoolSize
  kCache,    // CacheState
  kPage,     // tokens
  kThreads,  // the caller counted in
  kBatch,    // most samples that run together
  kChunk,    // most prefill rows of a step
  kIsa,      // Tier
  kAxisCount
};

enum CacheState : int64_t {
  kCacheOff,
  kCacheShared,   // on and empty: requests share what they have in common
  kCacheHit,      // the same prompts ran before
  kCachePartial,  // prompts that begin like them ran before
  kCacheEvicted,  // the same prompts ran before, then others until their pages were taken
};

enum PoolSize : int64_t {
  kPoolAmple,
  kPoolTight,  // one page more than the longest request needs: samples wait, and lose theirs while they run
};

struct Setting {
  std::array<int64_t, kAxisCount> values = {};

  int64_t& operator[](AxisId axis) { return values[axis]; }
  int64_t operator[](AxisId axis) const { return values[axis]; }
  friend bool operator==(const Setting&, const Setting&) = default;
};

struct Axis {
  AxisId id;
  const char* name;             // "chunk"
  const char* what;             // of its values, for a reader of the table
  std::vector<int64_t> values;  // values[0] is the reference's
  // Values that random combinations may draw: all but the slowest, which stand last.
  std::size_t in_product;
  bool seeded = false;  // every value but 0 is a seed
  std::string (*show)(int64_t value);
};

struct Machine {
  std::vector<int64_t> tiers;  // Tier values, the reference's first, slow ones last
  int64_t fast_tiers;          // so many of them may be drawn in products
  int64_t threads;             // of the reference
  int64_t batch_max;
  bool quick;  // fewer values on each axis
};
// This machine's tiers and cores. `small`: the model is so small that slow tiers may be drawn as often as others.
Machine this_machine(bool small, bool quick, int64_t batch_max);

// THE table of axes of an engine in this process, in the order of AxisId.
std::vector<Axis> local_axes(const Machine& machine);
// Of a server that is only seen from outside.
std::vector<Axis> server_axes(int64_t batch_max);

// values[0] of every axis.
Setting reference_setting(std::span<const Axis> axes);
// "batch 8, chunk 64": the axes on which `setting` differs from `reference`, or "the reference setting".
std::string describe(const Setting& setting, const Setting& reference, std::span<const Axis> axes);
// "7, 16 against 512 (prefill rows of a step)": an axis's values.
std::string describe_values(const Axis& axis);

}  // namespace invar
