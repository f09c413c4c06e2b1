#include "kernels/peak.h"

#include <immintrin.h>

#include "base/check.h"
#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_product_loop(Tier tier, int64_t iterations) {
  INVAR_CHECK(tier != Tier::kRef && tier_supported(tier), "tier {}", tier_name(tier));
  switch (tier) {
    case Tier::kAvx2: return peak_fma_avx2(iterations);
    case Tier::kAvx512: return peak_fma_avx512(iterations);
    case Tier::kAmx: return peak_amx(iterations);
    default: return peak_dp_avx512bf16(iterations);
  }
}

uint64_t stream_read(const std::byte* data, int64_t bytes) {
  INVAR_CHECK(reinterpret_cast<uintptr_t>(data) % 64 == 0 && bytes % 1024 == 0, "{} bytes", bytes);
  constexpr int kStreams = 8;
  const int64_t stride = bytes / kStreams;
  __m256i sum[kStreams];
#pragma GCC unroll 8
  for (int j = 0; j < kStreams; ++j) sum[j] = _mm256_setzero_si256();
  for (int64_t i = 0; i < stride; i += 64) {
#pragma GCC unroll 8
    for (int j = 0; j < kStreams; ++j) {
      const __m256i* line = reinterpret_cast<const __m256i*>(data + j * stride + i);
      sum[j] =
          _mm256_xor_si256(_mm256_xor_si256(sum[j], _mm256_load_si256(line)), _mm256_load_si256(line + 1));
    }
  }
  for (int j = 1; j < kStreams; ++j) sum[0] = _mm256_xor_si256(sum[0], sum[j]);
  uint64_t words[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), sum[0]);
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

}  // namespace invar
