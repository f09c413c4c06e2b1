// The text of sample for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/log_probs_body.h"
#include "kernels/cpu/sample.h"
#include "numerics/philox.h"

namespace invar {
namespace {

INVAR_SIMD F32x16 divide(F32x16 logits, float temperature) {
  return temperature == 1.0f ? logits : logits / F32x16(temperature);
}

int64_t first_equal(cpu::LogitPiece row, float value) {
  for (int64_t i = 0; i < row.count; i += 16) {
    const Mask16 hit = load_f32(row.logits + i, row.count - i, num::kNan) == F32x16(value);
    if (any(hit)) return i + __builtin_ctz(lane_bits(hit));
  }
  return row.count;
}

void strided_max(cpu::LogitPiece row, int64_t width, float* out) {
  for (int64_t begin = 0; begin < row.count; begin += 16 * width, out += 16) {
    F32x16 m = -num::kInfinity;
    const int64_t end = begin + 16 * width < row.count ? begin + 16 * width : row.count;
    for (int64_t i = begin; i < end; i += 16)
      m = max(m, load_f32(row.logits + i, row.count - i, -num::kInfinity));
    store_f32(out, m);
  }
}

[[gnu::flatten]] void collect(cpu::LogitPiece row, cpu::CollectBounds bounds, cpu::TokenList* list) {
  const F32x16 logit_min = bounds.logit_min, z_min = bounds.z_min;
  int64_t count = 0;
  for (int64_t i = 0; i < row.count; i += 16) {
    const F32x16 logits = load_f32(row.logits + i, row.count - i, num::kNan);
    if (!any(logits >= logit_min)) [[likely]]
      continue;
    const F32x16 z = divide(logits, row.temperature);
    const Mask16 taken = z >= z_min;
    compress_store(list->ids + count, taken, iota() + I32x16(static_cast<uint32_t>(i)));
    count += compress_store(reinterpret_cast<int32_t*>(list->z + count), taken, as_int(z));
  }
  list->count = count;
}

[[gnu::flatten]] uint64_t list_masses(cpu::TokenList list, float max_z, uint64_t* out) {
  U64x16 sum = uint64_t{0};
  for (int64_t i = 0; i < list.count; i += 16) {
    const F32x16 z = load_f32(list.z + i, list.count - i, -num::kInfinity);
    const U64x16 mass = anchored_mass<false>(z, 1.0f, max_z) - U64x16(kMassAnchorBits);
    store_u64(out + i, mass);
    sum = sum + mass;
  }
  return sum_of_lanes(sum);
}

// NUM-PHILOX of sixteen counters, in place.
INVAR_SIMD void philox_lanes(I32x16 (&x)[4], uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const WideProduct product0 = multiply_wide(x[0], I32x16(0xD2511F53u));
    const WideProduct product1 = multiply_wide(x[2], I32x16(0xCD9E8D57u));
    x[0] = product1.high ^ x[1] ^ I32x16(key0);
    x[1] = product1.low;
    x[2] = product0.high ^ x[3] ^ I32x16(key1);
    x[3] = product0.low;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// The words of the counters `blocks` of a draw; block = id / 4.
INVAR_SIMD void sampling_words_lanes(I32x16 blocks, cpu::NoiseKey key, I32x16 (&words)[4]) {
  const uint64_t position = static_cast<uint64_t>(key.position);
  words[0] = blocks;
  words[1] = I32x16(static_cast<uint32_t>(position));
  words[2] = I32x16(static_cast<uint32_t>(position >> 32));
  words[3] = I32x16(kPhiloxSampling);
  philox_lanes(words, key.seed);
}

// No Gumbel noise exceeds this: -ln(-ln(1 - 2^-33)) is 22.874.
constexpr float kGumbelMax = 22.9f;

// An upper bound of gumbel(h), for a sixth of its cost. -ln(1 - w) >= w, so gumbel <= -ln w; with t
// = h >> 8, exact in fp32, w >= t 2^-24; and log2(t) >= bits(t) 2^-23 - 127, since log2(1 + f) >=
// f. The 0.01 is a thousand times what the roundings here and in NUM-GUMBEL can add up to. h < 256
// gives 104.7.
INVAR_SIMD F32x16 gumbel_bound(I32x16 h) {
  const F32x16 t = to_float(shr<8>(h));
  return fma(to_float(as_int(t)), F32x16(-0x1.62e430p-24f), F32x16(151 * 0.693147181f + 0.01f));
}

// Takes up to sixteen tokens, lane i being token ids[i] with noise word words[i], into the draw. A
// lane that loses by its bound loses by its score: fp32(z + gumbel) <= fp32(z + bound), rounding
// being monotone. So leaving it out is exact.
INVAR_SIMD void take(F32x16 z, I32x16 ids, I32x16 words, cpu::Draw& best) {
  if (!any(z + gumbel_bound(words) >= F32x16(best.score))) return;
  const F32x16 scores = z + gumbel<F32x16>(words);
  uint32_t left = lane_bits(scores >= F32x16(best.score));
  if (left == 0) return;
  alignas(64) float score[16];
  alignas(64) int32_t token[16];
  store_f32(score, scores);
  store_i32(token, ids);
  for (; left != 0; left &= left - 1) {
    const int i = __builtin_ctz(left);
    if (score[i] > best.score || (score[i] == best.score && token[i] < best.token))
      best = {score[i], token[i]};
  }
}

[[gnu::flatten]] cpu::Draw draw_row(cpu::LogitPiece row, cpu::NoiseKey key, cpu::Draw best) {
  // Counters in the order in which transpose_parts() gives ids 16 i .. 16 i + 15 in words[i].
  const I32x16 lane = iota();
  const I32x16 counter = shl<2>(lane & I32x16(3)) | shr<2>(lane);
  for (int64_t begin = 0; begin < row.count; begin += 64) {
    F32x16 z[4];
    for (int i = 0; i < 4; ++i) {
      const int64_t at = begin + 16 * i;
      z[i] = row.count - at >= 16 ? load_f32(row.logits + at)
             : row.count > at     ? load_f32(row.logits + at, row.count - at, -num::kInfinity)
                                  : F32x16(-num::kInfinity);
      z[i] = divide(z[i], row.temperature);
    }
    const F32x16 largest = max(max(z[0], z[1]), max(z[2], z[3]));
    if (!any(largest + F32x16(kGumbelMax) >= F32x16(best.score))) continue;
    I32x16 words[4], noise[4];
    sampling_words_lanes(counter + I32x16(static_cast<uint32_t>(begin / 4)), key, words);
    transpose_parts(words, noise);
    for (int i = 0; i < 4; ++i)
      take(z[i], lane + I32x16(static_cast<uint32_t>(begin + 16 * i)), noise[i], best);
  }
  return best;
}

[[gnu::flatten]] cpu::Draw draw_list(cpu::TokenList list, cpu::NoiseKey key, cpu::Draw best) {
  for (int64_t i = 0; i < list.count; i += 16) {
    const F32x16 z = load_f32(list.z + i, list.count - i, -num::kInfinity);
    if (!any(z + F32x16(kGumbelMax) >= F32x16(best.score))) continue;
    // Lanes beyond the list hold arbitrary ids, and -inf: were they to tie at -inf, any real token
    // would beat them.
    const I32x16 ids = select(first_lanes(list.count - i), load_i32(list.ids + i), I32x16(0x7fffffffu));
    I32x16 words[4];
    sampling_words_lanes(shr<2>(ids), key, words);
    const Mask16 odd = (ids & I32x16(1)) == I32x16(1);
    const Mask16 upper = (ids & I32x16(2)) == I32x16(2);
    take(z, ids, select(upper, select(odd, words[3], words[2]), select(odd, words[1], words[0])), best);
  }
  return best;
}

void gumbel_bounds(const uint32_t* words, int64_t count, float* out) {
  for (int64_t i = 0; i + 16 <= count; i += 16)
    store_f32(out + i, gumbel_bound(load_i32(reinterpret_cast<const int32_t*>(words + i))));
}

void gumbels(const uint32_t* words, int64_t count, float* out) {
  for (int64_t i = 0; i + 16 <= count; i += 16)
    store_f32(out + i, gumbel<F32x16>(load_i32(reinterpret_cast<const int32_t*>(words + i))));
}

constexpr cpu::SampleKernels kSampleKernels{.first_equal = first_equal,
                                            .strided_max = strided_max,
                                            .collect = collect,
                                            .masses = list_masses,
                                            .draw_row = draw_row,
                                            .draw_list = draw_list,
                                            .gumbel_bound = gumbel_bounds,
                                            .gumbel = gumbels};

}  // namespace
}  // namespace invar
