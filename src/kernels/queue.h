// Queue: where and how kernels run. Every op takes one as its first argument.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/buffer.h"

namespace invar {

// The dot-product primitive of a run; part of every digest. docs/numerics.md, NUM-DOT.
enum class Profile : uint8_t {
  kFma32,  // P2: pairs of fp32 FMAs, subnormals flushed; native on CPUs
  kTc16,   // H16: Hopper's tensor-core step of 16; emulated on CPUs
};

// The instruction set a kernel may use. All tiers give the same bits; kRef is the specification.
enum class Tier : uint8_t { kRef, kAvx2, kAvx512, kAvx512Bf16 };

std::string_view profile_name(Profile profile);  // "fma32", "tc16"
std::string_view tier_name(Tier tier);           // "ref", "avx2", "avx512", "avx512bf16"
std::optional<Profile> parse_profile(std::string_view name);
std::optional<Tier> parse_tier(std::string_view name);

// True where this CPU (and its operating system) has the tier. For kAvx512Bf16 that includes the self-check that
// vdpbf16ps equals the two FMAs of P2.
bool tier_supported(Tier tier);
// The tiers of this machine that are not kRef, the best one last.
std::vector<Tier> fast_tiers();
// The best tier of this machine.
Tier best_tier();

// Whether two FMAs are the faster way to the bits of one vdpbf16ps here: then the kernels of kAvx512Bf16 use them.
// The vendor decides and not a measurement, so that the choice is the same in every run.
bool fma_beats_dpbf16();

// Not thread-safe: one caller at a time, as for its pool.
class Queue {
 public:
  Queue(ThreadPool& pool, Profile profile, Tier tier = best_tier());

  ThreadPool& pool() const { return *pool_; }
  Profile profile() const { return profile_; }
  Tier tier() const { return tier_; }

  // Scratch memory of one kernel call, 64-byte aligned, contents undefined; valid until the next call. Grows only.
  std::byte* scratch(std::size_t bytes);

 private:
  ThreadPool* pool_;
  Profile profile_;
  Tier tier_;
  Buffer<std::byte> scratch_;
};

}  // namespace invar
