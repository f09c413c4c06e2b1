// Counter-based randomness. Contract ids NUM-PHILOX, NUM-GUMBEL (docs/numerics.md).
#pragma once

#include <cstdint>

#include "numerics/functions.h"

namespace invar {

struct PhiloxWords {
  uint32_t word[4];
};

// Philox4x32-10 of a counter under a key.
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
INVAR_INLINE PhiloxWords philox(uint64_t key, PhiloxWords counter) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  PhiloxWords x = counter;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * x.word[0];
    const uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * x.word[2];
    x = {{static_cast<uint32_t>(product1 >> 32) ^ x.word[1] ^ key0, static_cast<uint32_t>(product1),
          static_cast<uint32_t>(product0 >> 32) ^ x.word[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return x;
}

// The last counter word tells uses apart, so that no two draws of the engine share a counter.
inline constexpr uint32_t kPhiloxSampling = 0x5A4D504Cu;
inline constexpr uint32_t kPhiloxSeeds = 0x44454553u;

// The noise words of vocabulary ids 4 * block ... 4 * block + 3 for the token at an absolute position.
INVAR_INLINE PhiloxWords sampling_words(uint64_t seed, int64_t position, uint32_t block) {
  const uint64_t p = static_cast<uint64_t>(position);
  return philox(seed, {{block, static_cast<uint32_t>(p), static_cast<uint32_t>(p >> 32), kPhiloxSampling}});
}

// NUM-GUMBEL: -ln(-ln(u)) with u = 1 - (h + 1/2) 2^-32, lane by lane for the integer companion of V.
//
// w = (k + 1/2) 2^-32 is rounded once to fp32, k = h in the lower half of its range and 2^32 - 1 - h in the
// upper, so w <= 1/2 has its full precision at both ends: -ln(u) is -log1p(-w), or -ln(w). Both are one
// log_core of (1 + f) 2^n, with the f and n that log1p and log would use.
template <class V>
INVAR_INLINE V gumbel(num::IntOf<V> h) {
  using I = num::IntOf<V>;
  using num::as_float, num::as_int, num::fma, num::less, num::sar, num::select, num::shr, num::to_float;
  const auto upper = less(to_float(h), V(0.0f));  // the sign bit
  const I k = h ^ sar<31>(h);
  const V w = fma(to_float(shr<8>(k)), V(0x1p-24f), (to_float(k & I(0xffu)) + V(0.5f)) * V(0x1p-32f));
  const V u = select(upper, w, V(1.0f) - w);
  const I exponent = num::log_exponent(u);
  const V n = to_float(sar<23>(exponent));
  const V f = as_float(as_int(select(upper, w, -w)) - exponent) + select(upper, V(-1.0f), -n);
  return -num::log_normal(-num::log_core(f, n));
}

// The Gumbel noise of one vocabulary id.
INVAR_INLINE float gumbel_noise(uint64_t seed, int64_t position, uint32_t id) {
  return gumbel<float>(sampling_words(seed, position, id / 4).word[id % 4]);
}

// The seed of sample i of a request (or of item i of anything): one Philox call under the parent's key.
INVAR_INLINE uint64_t derive_seed(uint64_t seed, uint64_t index) {
  const PhiloxWords words =
      philox(seed, {{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), 0, kPhiloxSeeds}});
  return static_cast<uint64_t>(words.word[1]) << 32 | words.word[0];
}

}  // namespace invar
