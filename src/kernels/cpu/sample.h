// Loops over one row of logits in their SIMD tiers: what sample is made of, beside those of
// cpu/log_probs.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/log_probs.h"

namespace invar::cpu {

// What every tier writes in whole vectors: lists have room for this many elements beyond their
// last.
constexpr int64_t kListSlack = 16;

// Tokens of a row, in ascending order of ids where collect() made the list.
struct TokenList {
  float* z;      // [capacity + kListSlack], logit / temperature
  int32_t* ids;  // [capacity + kListSlack]
  int64_t count;
};

// collect() takes the tokens with z >= z_min. Those have logit >= logit_min as well, which is
// cheaper to see.
struct CollectBounds {
  float logit_min;
  float z_min;
};

struct NoiseKey {
  uint64_t seed;
  int64_t position;
};

// A token and its fp32(z + gumbel); the draw is the largest, ties to the lower id.
struct Draw {
  float score;
  int32_t token;
};

struct SampleKernels {
  // The lowest index of `value` in [count] logits that hold it.
  int64_t (*first_equal)(LogitPiece row, float value);
  // Maxima of the ids with equal (id / 16 / width) and id % 16, into out[16 * ceil(count / 16 /
  // width)].
  void (*strided_max)(LogitPiece row, int64_t width, float* out);
  void (*collect)(LogitPiece row, CollectBounds bounds, TokenList* list);
  // NUM-LSE's masses, into out[count + kListSlack]; returns their sum.
  uint64_t (*masses)(TokenList list, float max_z, uint64_t* out);
  // The better of `best` and all tokens of the row; of the list.
  Draw (*draw_row)(LogitPiece row, NoiseKey key, Draw best);
  Draw (*draw_list)(TokenList list, NoiseKey key, Draw best);
  // out[i] = an upper bound of NUM-GUMBEL of the word, in fp32: what draw_* leave out rests on it.
  // For its test.
  void (*gumbel_bound)(const uint32_t* words, int64_t count, float* out);
  void (*gumbel)(const uint32_t* words, int64_t count, float* out);
};

extern const SampleKernels kSampleAvx2;
extern const SampleKernels kSampleAvx512;

}  // namespace invar::cpu
