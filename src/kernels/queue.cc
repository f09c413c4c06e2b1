#include "kernels/queue.h"

#include "base/check.h"

namespace invar {

std::string_view profile_name(Profile profile) { return profile == Profile::kFma32 ? "fma32" : "tc16"; }

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::kRef: return "ref";
    case Tier::kAvx2: return "avx2";
    case Tier::kAvx512: return "avx512";
    case Tier::kAvx512Bf16: return "avx512bf16";
  }
  return "?";
}

std::optional<Profile> parse_profile(std::string_view name) {
  for (Profile profile : {Profile::kFma32, Profile::kTc16})
    if (profile_name(profile) == name) return profile;
  return std::nullopt;
}

std::optional<Tier> parse_tier(std::string_view name) {
  for (Tier tier : {Tier::kRef, Tier::kAvx2, Tier::kAvx512, Tier::kAvx512Bf16})
    if (tier_name(tier) == name) return tier;
  return std::nullopt;
}

bool tier_supported(Tier tier) {
  switch (tier) {
    case Tier::kRef: return true;
    case Tier::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Tier::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Tier::kAvx512Bf16: return tier_supported(Tier::kAvx512) && __builtin_cpu_supports("avx512bf16");
  }
  return false;
}

Tier best_tier() {
  for (Tier tier : {Tier::kAvx512Bf16, Tier::kAvx512, Tier::kAvx2})
    if (tier_supported(tier)) return tier;
  return Tier::kRef;
}

Queue::Queue(ThreadPool& pool, Profile profile, Tier tier) : pool_(&pool), profile_(profile), tier_(tier) {
  INVAR_CHECK(tier_supported(tier), "tier {} is not supported by this CPU", tier_name(tier));
}

std::byte* Queue::scratch(std::size_t bytes) {
  if (scratch_.bytes() < bytes) scratch_ = Buffer<std::byte>(static_cast<int64_t>(bytes));
  return scratch_.data();
}

}  // namespace invar
