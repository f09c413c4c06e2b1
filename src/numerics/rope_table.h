// Rotary position embedding tables. Contract id NUM-ROPE (docs/numerics.md).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"

namespace invar {

enum class RopeScaling : uint8_t { kNone, kLinear, kLlama3, kYarn };

// How positions become angles: the parameters of transformers' modeling_rope_utils.py. A field means nothing for
// other kinds of scaling than the named ones.
struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;                           // linear, llama3, yarn; >= 1
  int64_t original_max_position = 0;             // llama3, yarn: the context length before scaling
  double low_freq_factor = 1.0;                  // llama3
  double high_freq_factor = 4.0;                 // llama3; > low_freq_factor
  double beta_fast = 32.0;                       // yarn
  double beta_slow = 1.0;                        // yarn; < beta_fast
  std::optional<double> attention_factor;        // yarn; nothing: from factor and the two below
  std::optional<double> mscale, mscale_all_dim;  // yarn; used only where both are there
  bool truncate = true;                          // yarn: whole numbers as bounds of the ramp

  friend bool operator==(const RopeConfig&, const RopeConfig&) = default;
};

struct RopeFrequencies {
  std::vector<float> inv_freq;  // [D / 2], radians a position
  float attention_factor;       // cosines and sines are multiplied by it; 1 for all but yarn
};

// The frequencies of heads with `dim` rotated dimensions D (even, positive): binary64 throughout, with our
// own exp and log, rounded once to fp32.
//   default  theta^(-2i/D)
//   linear   the default / factor
//   llama3   / factor for wavelengths above original / low_freq_factor, unchanged below
//            original / high_freq_factor, a linear blend (in original / wavelength) between
//   yarn     a blend of default and linear along i, from the dimension that turns beta_fast times over the
//            original context to the one that turns beta_slow times
// Errors: a parameter outside the ranges above.
// Source: transformers modeling_rope_utils.py; Peng et al. 2023, arXiv:2309.00071 (YaRN).
Result<RopeFrequencies> rope_frequencies(const RopeConfig& config, int64_t dim);

// cos_sin: [positions, 2, D / 2], for each position the cosines, then the sines, of
// angle = fp32(position) * inv_freq[i] (one product), each times the attention factor (one product) unless
// that is 1.
void rope_table(const RopeFrequencies& frequencies, int64_t positions, float* cos_sin);

}  // namespace invar
