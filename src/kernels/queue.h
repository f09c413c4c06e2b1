// Queue: where and how kernels run. Every op takes one as its first argument.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/buffer.h"

namespace invar {

// The dot-product primitive of a run; part of every digest. docs/numerics.md, NUM-DOT.
enum class Profile : uint8_t {
  kFma32,  // P2: pairs of fp32 FMAs, subnormals flushed; native on CPUs
  kTc16,   // H16: Hopper's tensor-core step of 16; emulated on CPUs
  kAmx32,  // A32 for products with weights: AMX's tile step of 32, FMAs where there is none; P2 for attention
};
inline constexpr Profile kAllProfiles[] = {Profile::kFma32, Profile::kTc16, Profile::kAmx32};

// The instruction set a kernel may use. All tiers give the same bits; kRef is the specification.
enum class Tier : uint8_t { kRef, kAvx2, kAvx512, kAvx512Bf16, kAmx };
inline constexpr Tier kAllTiers[] = {Tier::kRef, Tier::kAvx2, Tier::kAvx512, Tier::kAvx512Bf16, Tier::kAmx};

std::string_view profile_name(Profile profile);  // "fma32", "tc16", "amx32"
std::string_view tier_name(Tier tier);           // "ref", "avx2", "avx512", "avx512bf16", "amx"
std::optional<Profile> parse_profile(std::string_view name);
std::optional<Tier> parse_tier(std::string_view name);
std::string profile_names();  // all of them, for messages: "fma32, tc16 or amx32"
std::string tier_names();

// True where this CPU (and its operating system) has the tier. For kAvx512Bf16 that includes the self-check that
// vdpbf16ps equals the two FMAs of P2, for kAmx that the system lets this process use tiles.
bool tier_supported(Tier tier);
// The tiers of this machine that are not kRef, the best one last.
std::vector<Tier> fast_tiers();
// The best tier of this machine.
Tier best_tier();

// Whether two FMAs are the faster way to the bits of one vdpbf16ps here: then the kernels of kAvx512Bf16 use them.
// The vendor decides and not a measurement, so that the choice is the same in every run.
bool fma_beats_dpbf16();

// Whether kAmx is supported and tdpbf16ps equals A32 here: else its kernels use FMAs. Checked by the first call, which
// takes tens of milliseconds: only amx32 has a use for it.
bool amx_is_a32();

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
