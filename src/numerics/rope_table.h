// Rotary position embedding tables. Contract id NUM-ROPE (docs/numerics.md).
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace invar {

// How the frequencies are stretched for long contexts; the names of transformers' `rope_type`.
enum class RopeScaling : uint8_t { kDefault, kLinear, kLlama3, kYarn };

// The parameters of transformers' modeling_rope_utils.py, under its names.
struct RopeConfig {
  int64_t dim;   // rotated dimensions D of a head, even, > 0
  double theta;  // base of the frequencies, > 1
  RopeScaling scaling = RopeScaling::kDefault;
  double factor = 1;                  // linear, llama3, yarn: >= 1
  double original_max_positions = 0;  // llama3, yarn: context length of the pre-training, > 0
  double low_freq_factor = 1;         // llama3
  double high_freq_factor = 4;        // llama3, > low_freq_factor
  double beta_fast = 32;              // yarn, rotations
  double beta_slow = 1;               // yarn, rotations
  double mscale = 0;                  // yarn; used where this and the next are both not zero
  double mscale_all_dim = 0;          // yarn
  double attention_factor = 0;        // yarn; 0: derived from factor and mscale
  bool truncate = true;               // yarn: correction range to whole dimensions
};

struct RopeFrequencies {
  std::vector<float> inv_freq;  // [D / 2], radians a position
  float attention_factor;       // cosines and sines are multiplied by it; 1 for all but yarn
};

// The frequencies of a configuration: binary64 throughout, with our own exp and log, rounded once to fp32.
//   default  theta^(-2i/D)
//   linear   the default / factor
//   llama3   / factor for wavelengths above original / low_freq_factor, unchanged below
//            original / high_freq_factor, a linear blend (in original / wavelength) between
//   yarn     a blend of default and linear along i, from the dimension that turns beta_fast times over the
//            original context to the one that turns beta_slow times
// Errors: a parameter outside the ranges above.
// Source: transformers modeling_rope_utils.py; Peng et al. 2023, arXiv:2309.00071 (YaRN).
Result<RopeFrequencies> rope_frequencies(const RopeConfig& config);

// cos_sin: [positions, 2, D / 2], for each position the cosines, then the sines, of
// angle = fp32(position) * inv_freq[i] (one product), each times the attention factor (one product) unless
// that is 1.
void rope_table(const RopeFrequencies& frequencies, int64_t positions, float* cos_sin);

}  // namespace invar
