#include "kernels/queue.h"

#include <cpuid.h>

#include <bit>

#include "base/check.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/dpbf16_avx512bf16.h"
#include "numerics/a32.h"
#include "numerics/p2.h"

namespace invar {
namespace {

// 16 lanes of operands for the self-check.
struct Lanes {
  float acc[16];
  bf16 a[32];
  bf16 w[32];
};

// Fixed pseudo-random numbers (SplitMix64): the check must not differ from run to run.
uint64_t next_random(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// Random sign and fraction (of 23 bits), exponent field in [low, low + count).
uint32_t random_float(uint64_t& state, uint32_t low, uint32_t count) {
  const uint64_t r = next_random(state);
  return static_cast<uint32_t>(r & 0x807fffffu) | (low + static_cast<uint32_t>(r >> 40) % count) << 23;
}

// Operands whose exponent fields lie in [low, low + count); the accumulator around their products.
Lanes random_lanes(uint64_t& state, uint32_t low, uint32_t count) {
  Lanes lanes;
  for (int i = 0; i < 32; ++i) {
    lanes.a[i] = {static_cast<uint16_t>(random_float(state, low, count) >> 16)};
    lanes.w[i] = {static_cast<uint16_t>(random_float(state, low, count) >> 16)};
  }
  const uint32_t top = 2 * low + count;  // fields of a product, plus 127
  const uint32_t acc_low = top > 127 + 8 ? top - 127 - 8 : 0;
  for (float& acc : lanes.acc) acc = std::bit_cast<float>(random_float(state, acc_low, 16));
  return lanes;
}

// 2^-126 + product 2^q, q around the half of the last place: whether tininess is seen after rounding.
Lanes border_lanes(bool odd) {
  Lanes lanes = {};
  for (int n = 0; n < 16; ++n) {
    lanes.acc[n] = n % 2 == 0 ? 0x1p-126f : -0x1p-126f;
    lanes.a[2 * n + odd] = {static_cast<uint16_t>((127 - 75) << 7 | (n % 2 == 0 ? 0x8000 : 0))};
    lanes.w[2 * n + odd] = {static_cast<uint16_t>((127 - 78 + n / 2) << 7)};
  }
  return lanes;
}

bool same(float x, float y) {
  return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y) || (x != x && y != y);
}

bool dpbf16_is_p2(const Lanes& lanes) {
  float out[16];
  dpbf16_lanes(lanes.acc, lanes.a, lanes.w, out);
  for (int n = 0; n < 16; ++n) {
    const bf16* a = lanes.a + 2 * n;
    const bf16* w = lanes.w + 2 * n;
    if (!same(out[n], p2(lanes.acc[n], a[0], a[1], w[0], w[1]))) return false;
  }
  return true;
}

// Exponent fields of operands that are near, wide, tiny (subnormal products), and subnormal themselves.
constexpr struct {
  uint32_t low;
  uint32_t count;
} kCheckedRanges[] = {{124, 6}, {60, 135}, {54, 20}, {0, 128}, {0, 256}};

// vdpbf16ps against the scalar NUM-P2.
bool check_dpbf16() {
  uint64_t state = 1;
  for (const auto& range : kCheckedRanges)
    for (int i = 0; i < 1000; ++i)
      if (!dpbf16_is_p2(random_lanes(state, range.low, range.count))) return false;
  return dpbf16_is_p2(border_lanes(false)) && dpbf16_is_p2(border_lanes(true));
}

// tdpbf16ps against the scalar NUM-A32, on the same kinds of operands, in chains of several groups.
bool check_amx() {
  constexpr int64_t kSize = AmxProblem::kSize, kK = AmxProblem::kK;
  uint64_t state = 2;
  for (const auto& range : kCheckedRanges)
    for (int i = 0; i < 40; ++i) {
      AmxProblem problem;
      for (bf16& a : problem.a)
        a = {static_cast<uint16_t>(random_float(state, range.low, range.count) >> 16)};
      for (bf16& w : problem.w)
        w = {static_cast<uint16_t>(random_float(state, range.low, range.count) >> 16)};
      float out[kSize * kSize];
      amx_products(problem, out);
      for (int64_t r = 0; r < kSize; ++r)
        for (int64_t n = 0; n < kSize; ++n)
          if (!same(out[r * kSize + n], dot_a32(0.0f, problem.a + r * kK, problem.w + n * kK, kK)))
            return false;
    }
  return true;
}

// "a, b or c".
template <class T, std::size_t kCount>
std::string in_words(const T (&values)[kCount], std::string_view (*name)(T)) {
  std::string text;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (i > 0) text += i + 1 == kCount ? " or " : ", ";
    text += name(values[i]);
  }
  return text;
}

}  // namespace

std::string_view profile_name(Profile profile) {
  switch (profile) {
    case Profile::kFma32: return "fma32";
    case Profile::kTc16: return "tc16";
    case Profile::kAmx32: return "amx32";
  }
  return "?";
}

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::kRef: return "ref";
    case Tier::kAvx2: return "avx2";
    case Tier::kAvx512: return "avx512";
    case Tier::kAvx512Bf16: return "avx512bf16";
    case Tier::kAmx: return "amx";
  }
  return "?";
}

std::optional<Profile> parse_profile(std::string_view name) {
  for (Profile profile : kAllProfiles)
    if (profile_name(profile) == name) return profile;
  return std::nullopt;
}

std::optional<Tier> parse_tier(std::string_view name) {
  for (Tier tier : kAllTiers)
    if (tier_name(tier) == name) return tier;
  return std::nullopt;
}

std::string profile_names() { return in_words(kAllProfiles, profile_name); }
std::string tier_names() { return in_words(kAllTiers, tier_name); }

bool tier_supported(Tier tier) {
  switch (tier) {
    case Tier::kRef: return true;
    case Tier::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Tier::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Tier::kAvx512Bf16: {
      static const bool supported =
          tier_supported(Tier::kAvx512) && __builtin_cpu_supports("avx512bf16") && check_dpbf16();
      return supported;
    }
    case Tier::kAmx: {
      static const bool supported = tier_supported(Tier::kAvx512Bf16) && amx_permitted();
      return supported;
    }
  }
  return false;
}

std::vector<Tier> fast_tiers() {
  std::vector<Tier> tiers;
  for (Tier tier : kAllTiers)
    if (tier != Tier::kRef && tier_supported(tier)) tiers.push_back(tier);
  return tiers;
}

Tier best_tier() {
  const std::vector<Tier> tiers = fast_tiers();
  return tiers.empty() ? Tier::kRef : tiers.back();
}

// Intel issues a vdpbf16ps of 512 bits every second cycle: on Sapphire Rapids half the FLOP/s of its FMAs
// (bench/results/invar-bench-sapphire-rapids.txt). AMD's Zen 4 is said to have twice: not measured.
bool fma_beats_dpbf16() {
  static const bool intel = [] {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) != 0 && ebx == signature_INTEL_ebx &&
           ecx == signature_INTEL_ecx;
  }();
  return intel;
}

bool amx_is_a32() {
  static const bool is = tier_supported(Tier::kAmx) && check_amx();
  return is;
}

Queue::Queue(ThreadPool& pool, Profile profile, Tier tier) : pool_(&pool), profile_(profile), tier_(tier) {
  INVAR_CHECK(tier_supported(tier), "tier {} is not supported by this CPU", tier_name(tier));
}

std::byte* Queue::scratch(std::size_t bytes) {
  if (scratch_.bytes() < bytes) scratch_ = Buffer<std::byte>(static_cast<int64_t>(bytes));
  return scratch_.data();
}

}  // namespace invar
