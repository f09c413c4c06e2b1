#include "numerics/rope_table.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "numerics/sin_cos.h"

namespace invar {
namespace {

constexpr double kPi = 0x1.921fb54442d18p+1;

// ln x for positive normal x, to about 2^-52: x = m 2^n with m in [sqrt(1/2), sqrt(2)), then
// 2 atanh(s), s = (m - 1) / (m + 1), |s| <= 0.172, by its series; the first term left out is below 2^-57 of
// the sum.
double log64(double x) {
  uint64_t bits = std::bit_cast<uint64_t>(x);
  const uint64_t offset = bits - 0x3fe6a09e667f3bcdull;  // the bits of sqrt(1/2)
  const double n = static_cast<double>(static_cast<int64_t>(offset) >> 52);
  bits -= offset & 0xfff0000000000000ull;
  const double m = std::bit_cast<double>(bits);
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double sum = 0;
  for (int k = 23; k >= 3; k -= 2) sum = std::fma(sum, z, 1.0 / k);
  const double series = 2 * std::fma(s * z, sum, s);
  return std::fma(n, 0x1.62e42fefa39efp-1, std::fma(n, 0x1.abc9e3b39803fp-56, series));
}

// e^x for |x| <= 700, to about 2^-52: x = n ln 2 + r, |r| <= 0.35, Taylor; the first term left out is below
// 2^-57.
double exp64(double x) {
  const double shifted = std::fma(x, 0x1.71547652b82fep+0, 0x1.8p52);
  const double n = shifted - 0x1.8p52;
  const double r = std::fma(n, -0x1.abc9e3b39803fp-56, std::fma(n, -0x1.62e42fefa39efp-1, x));
  double sum = 1;
  for (int k = 14; k >= 1; --k) sum = std::fma(sum * r, 1.0 / k, 1.0);
  const uint64_t scale = static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52;
  return sum * std::bit_cast<double>(scale);
}

double blend(double low, double high, double weight_of_high) {
  return low * (1 - weight_of_high) + high * weight_of_high;
}

double llama3_frequency(const RopeConfig& config, double frequency) {
  const double turns =
      static_cast<double>(config.original_max_position) * frequency / (2 * kPi);  // over the original context
  if (turns > config.high_freq_factor) return frequency;
  if (turns < config.low_freq_factor) return frequency / config.factor;
  const double smooth = (turns - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor);
  return blend(frequency / config.factor, frequency, smooth);
}

// The (fractional) index i whose pair turns `rotations` times over the original context.
double yarn_dimension(const RopeConfig& config, int64_t dim, double rotations) {
  return static_cast<double>(dim) *
         log64(static_cast<double>(config.original_max_position) / (rotations * 2 * kPi)) /
         (2 * log64(config.theta));
}

struct YarnRange {
  double low;
  double high;
};

YarnRange yarn_range(const RopeConfig& config, int64_t dim) {
  double low = yarn_dimension(config, dim, config.beta_fast);
  double high = yarn_dimension(config, dim, config.beta_slow);
  if (config.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  return {low, low == high ? high + 0.001 : high};
}

double yarn_attention_factor(const RopeConfig& config) {
  if (config.attention_factor) return *config.attention_factor;
  if (config.factor <= 1) return 1;
  const double log_factor = log64(config.factor);
  // A zero counts as absent, as in transformers.
  const double mscale = config.mscale.value_or(0);
  const double mscale_all_dim = config.mscale_all_dim.value_or(0);
  if (mscale != 0 && mscale_all_dim != 0)
    return (0.1 * mscale * log_factor + 1) / (0.1 * mscale_all_dim * log_factor + 1);
  return 0.1 * log_factor + 1;
}

// In these a NaN fails, because every comparison with it is false.
bool in_range(double value, double low) { return value >= low && value <= 1e30; }

Status check(const RopeConfig& config, int64_t dim) {
  if (dim <= 0 || dim % 2 != 0)
    return error("rotary embedding: expected an even, positive number of dimensions, found {}", dim);
  if (!in_range(config.theta, 1 + 1e-6))
    return error("rotary embedding: expected rope_theta above 1, found {}", config.theta);
  if (config.scaling == RopeScaling::kNone) return Ok{};
  if (!in_range(config.factor, 1))
    return error("rotary embedding: expected a scaling factor of at least 1, found {}", config.factor);
  if (config.scaling == RopeScaling::kLinear) return Ok{};
  if (!in_range(static_cast<double>(config.original_max_position), 1))
    return error("rotary embedding: expected original_max_position_embeddings of at least 1, found {}",
                 static_cast<double>(config.original_max_position));
  if (config.scaling == RopeScaling::kLlama3 &&
      !(in_range(config.low_freq_factor, 1e-6) && in_range(config.high_freq_factor, 1e-6) &&
        config.low_freq_factor < config.high_freq_factor))
    return error("rotary embedding: expected 0 < low_freq_factor < high_freq_factor, found {} and {}",
                 config.low_freq_factor, config.high_freq_factor);
  if (config.scaling == RopeScaling::kYarn) {
    if (!in_range(config.beta_slow, 1e-6) || !in_range(config.beta_fast, config.beta_slow))
      return error("rotary embedding: expected 0 < beta_slow <= beta_fast, found {} and {}", config.beta_slow,
                   config.beta_fast);
    for (const auto& value : {config.mscale, config.mscale_all_dim, config.attention_factor}) {
      if (value && !in_range(*value, 0))
        return error(
            "rotary embedding: expected mscale, mscale_all_dim and attention_factor of at least 0, found {}",
            *value);
    }
  }
  return Ok{};
}

}  // namespace

Result<RopeFrequencies> rope_frequencies(const RopeConfig& config, int64_t dim) {
  INVAR_RETURN_IF_ERROR(check(config, dim));
  const bool yarn = config.scaling == RopeScaling::kYarn;
  const double log_theta = log64(config.theta);
  const YarnRange range = yarn ? yarn_range(config, dim) : YarnRange{};
  RopeFrequencies result{.inv_freq = std::vector<float>(dim / 2),
                         .attention_factor = yarn ? static_cast<float>(yarn_attention_factor(config)) : 1.0f};
  for (int64_t i = 0; i < dim / 2; ++i) {
    double frequency = exp64(-(static_cast<double>(2 * i) / static_cast<double>(dim)) * log_theta);
    switch (config.scaling) {
      case RopeScaling::kNone: break;
      case RopeScaling::kLinear: frequency /= config.factor; break;
      case RopeScaling::kLlama3: frequency = llama3_frequency(config, frequency); break;
      case RopeScaling::kYarn: {
        const double ramp = (static_cast<double>(i) - range.low) / (range.high - range.low);
        frequency = blend(frequency, frequency / config.factor, std::clamp(ramp, 0.0, 1.0));
        break;
      }
    }
    result.inv_freq[i] = static_cast<float>(frequency);
  }
  return result;
}

void rope_table(const RopeFrequencies& frequencies, int64_t positions, float* cos_sin) {
  const int64_t half = static_cast<int64_t>(frequencies.inv_freq.size());
  const float scale = frequencies.attention_factor;
  for (int64_t position = 0; position < positions; ++position) {
    float* cosines = cos_sin + position * 2 * half;
    float* sines = cosines + half;
    for (int64_t i = 0; i < half; ++i) {
      const num::SinCos value = num::sin_cos(static_cast<float>(position) * frequencies.inv_freq[i]);
      cosines[i] = value.cos * scale;  // by 1 is exact
      sines[i] = value.sin * scale;
    }
  }
}

}  // namespace invar
