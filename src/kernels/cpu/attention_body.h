// The text of attention for all SIMD tiers; include a simd_*.h first. What a tier brings is its dot product, `Dot`:
// attention_p2.h (fma32 by FMAs), attention_dp.h (fma32 by vdpbf16ps), attention_h16.h (tc16).
//
// A tile runs block by block, and in a block microtile by microtile: up to 12 rows whose accumulators stay in registers
// while one panel of keys (16 tokens in the lanes), or of values (16 dims in the lanes), streams by.
#pragma once

#include <limits>

#include "kernels/cpu/attention_tile.h"
#include "numerics/functions.h"

namespace invar::cpu {
namespace {

constexpr int64_t kBlock = 128;
constexpr int kPanels = 8;  // of 16 tokens, in a block

// Where the keys and values of a block lie.
struct Block {
  const bf16* k[kPanels];        // a panel of 16 tokens: [D / 2, 16, 2]
  const bf16* v[kPanels];        // the same 16 tokens of dims 0..15: [8, 16, 2]
  const bf16* k_ahead[kPanels];  // the next block, for prefetches: the hardware's stop at pages
  const bf16* v_ahead[kPanels];
  int64_t v_stride;  // from there to the next 16 dims, in elements
  int64_t dim;
};

// Rows that run together.
struct Microtile {
  int64_t row;   // first, in the tile
  int64_t rows;  // real ones
  int padded;    // R of the kernel instance, >= rows
};

INVAR_SIMD Block find_block(const AttentionTile& tile, int64_t begin, int64_t panels) {
  const KvLayout& layout = tile.args->layout;
  const int64_t head = layout.page_size * layout.head_dim;
  const int shift = __builtin_ctzll(static_cast<uint64_t>(layout.page_size));
  Block block;
  block.v_stride = layout.page_size * 16;
  block.dim = layout.head_dim;
  const auto page_of = [&](int64_t j) {
    return (tile.pages[j >> shift] * layout.kv_heads + tile.kv_head) * head;
  };
  for (int64_t g = 0; g < panels; ++g) {
    const int64_t j = begin + g * 16;
    const int64_t t = j & (layout.page_size - 1);
    block.k[g] = tile.args->k_pages + page_of(j) + t * layout.head_dim;
    block.v[g] = tile.args->v_pages + page_of(j) + t * 16;
    const int64_t later = j + kBlock < tile.position_end() ? j + kBlock : j;
    block.k_ahead[g] = block.k[g] + page_of(later) - page_of(j);
    block.v_ahead[g] = block.v[g] + page_of(later) - page_of(j);
  }
  return block;
}

// The largest kernel instance that the rows fill, or the smallest that holds them all.
template <class Dot>
INVAR_SIMD Microtile next_microtile(int64_t row, int64_t rows) {
  const int64_t left = rows - row;
  for (const int r : Dot::kRows)
    if (left <= r) return {row, left, r};
  return {row, Dot::kRowsMax, Dot::kRowsMax};
}

// Calls body(Rows<R>) for the R of a microtile.
template <int R>
struct Rows {
  static constexpr int value = R;
};
template <class Dot, class Body>
INVAR_SIMD void for_rows(int padded, const Body& body) {
  switch (padded) {
    case 1: return body(Rows<1>{});
    case 2: return body(Rows<2>{});
    case 3: return body(Rows<3>{});
    case 4: return body(Rows<4>{});
    case 6: return body(Rows<6>{});
  }
  if constexpr (Dot::kRowsMax > 6) padded == 8 ? body(Rows<8>{}) : body(Rows<12>{});
}

// s[r, 16 p ...] = q[r] . k for panels p .. panels - 1, P of them at a time.
template <class Dot, int R, int P>
INVAR_SIMD void score_panels(const Block& block, const typename Dot::Query* q, int64_t p, int64_t panels,
                             float* s) {
  for (; p + P <= panels; p += P) {
    F32x16 acc[R][P];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) acc[r][i] = 0.0f;
    Dot::template keys<R, P>(acc, q, block.k + p, block.k_ahead + p, block.dim);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) store_f32(s + r * kBlock + (p + i) * 16, acc[r][i]);
  }
  if constexpr (P > 1) score_panels<Dot, R, P / 2>(block, q, p, panels, s);
}

template <class Dot, int R>
[[gnu::noinline]] void score_rows(const Block& block, const typename Dot::Query* q, int64_t panels,
                                  float* s) {
  score_panels<Dot, R, Dot::panels(R)>(block, q, 0, panels, s);
}

// o[r, 16 p ...] += sum over tokens [begin, end) of w[r, j] v[j] for panels p .. panels - 1 of 16 dims.
template <class Dot, int R, int P>
INVAR_SIMD void value_panels(const Block& block, const float* w, int64_t begin, int64_t end, int64_t p,
                             float* o) {
  const int64_t panels = block.dim / 16;
  for (; p + P <= panels; p += P) {
    F32x16 acc[R][P];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) acc[r][i] = load_f32(o + r * block.dim + (p + i) * 16);
    Dot::template values<R, P>(acc, w, block, p, begin, end);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) store_f32(o + r * block.dim + (p + i) * 16, acc[r][i]);
  }
  if constexpr (P > 1) value_panels<Dot, R, P / 2>(block, w, begin, end, p, o);
}

template <class Dot, int R>
[[gnu::noinline]] void value_rows(const Block& block, const float* w, int64_t begin, int64_t end, float* o) {
  value_panels<Dot, R, Dot::panels(R)>(block, w, begin, end, 0, o);
}

// Nothing but the call happens under the flags of Dot::Scope: the compiler does not know that MXCSR changes arithmetic,
// so arithmetic that must not flush may not be in reach of it.
template <class Dot>
[[gnu::noinline]] void scores(const Block& block, const Microtile& micro, const typename Dot::Query* q,
                              int64_t panels, float* s) {
  [[maybe_unused]] const typename Dot::Scope scope;
  for_rows<Dot>(micro.padded, [&](auto rows) { score_rows<Dot, rows.value>(block, q, panels, s); });
}

// The rows see 1 <= count(r) tokens of the block; they share the first `common`, the rest runs row by row.
template <class Dot>
[[gnu::noinline]] void values(const AttentionTile& tile, const Block& block, int64_t begin,
                              const Microtile& micro, const float* w, float* o) {
  [[maybe_unused]] const typename Dot::Scope scope;
  const auto count = [&](int64_t r) {
    const int64_t visible = tile.position + (micro.row + r) / tile.group + 1 - begin;
    return visible < kBlock ? visible : kBlock;
  };
  const int64_t common = count(0) & -Dot::kStep;
  if (common > 0)
    for_rows<Dot>(micro.padded, [&](auto rows) { value_rows<Dot, rows.value>(block, w, 0, common, o); });
  if (common == kBlock) return;
  for (int64_t r = 0; r < micro.rows; ++r) {
    const int64_t end = count(r);
    const int64_t whole = end & -Dot::kStep;
    if (whole > common) value_rows<Dot, 1>(block, w + r * kBlock, common, whole, o + r * block.dim);
    if (end > whole) Dot::last_values(block, w + r * kBlock, whole, end, o + r * block.dim);
  }
}

// Steps 2 to 5 of NUM-ATTN for one row of `count` visible scores, and O * r of step 6. s becomes P.
template <class Dot, bool kFull>
INVAR_SIMD void weigh_row(float* s, int64_t count, float c, int64_t dim, float& m, float* l, float* o) {
  const int64_t whole = kFull ? kPanels : count / 16;
  const int64_t rest = kFull ? 0 : count % 16;  // visible columns of the panel after those
  F32x16 lanes = m;
#pragma GCC unroll 8
  for (int64_t g = 0; g < whole; ++g) lanes = max(load_f32(s + g * 16), lanes);  // a NaN takes no part
  if (rest != 0) {
    const F32x16 low = -std::numeric_limits<float>::infinity();
    lanes = max(select(first_lanes(rest), load_f32(s + whole * 16), low), lanes);
  }
  const float m_new = max_of_lanes(lanes);
  const F32x16 scale = c;
  const F32x16 minus_mc = -(m_new * c);
  const F32x16 r = num::exp2p(fma(F32x16(m), scale, minus_mc));
  F32x16 sum = 0.0f;
#pragma GCC unroll 8
  for (int64_t g = 0; g < whole; ++g) {
    const F32x16 w = num::exp2p(fma(load_f32(s + g * 16), scale, minus_mc));
    sum = sum + w;
    Dot::store_weights(s, g, w);
  }
  if (rest != 0) {
    const F32x16 w = num::exp2p(fma(load_f32(s + whole * 16), scale, minus_mc));
    const F32x16 visible = select(first_lanes(rest), w, F32x16(0.0f));
    sum = sum + visible;
    Dot::store_weights(s, whole, visible);
  }
  const __m256 h = _mm256_add_ps(low_half(sum), high_half(sum));
  const __m128 h0 = _mm256_castps256_ps128(h), h1 = _mm256_extractf128_ps(h, 1);
  const __m128 u = _mm_add_ps(_mm_shuffle_ps(h0, h1, _MM_SHUFFLE(2, 0, 2, 0)),
                              _mm_shuffle_ps(h0, h1, _MM_SHUFFLE(3, 1, 3, 1)));
  _mm_storeu_ps(l, _mm_fmadd_ps(_mm_loadu_ps(l), _mm256_castps256_ps128(low_half(r)), u));
  m = m_new;
  for (int64_t d = 0; d < dim; d += 16) store_f32(o + d, load_f32(o + d) * r);
}

template <class Dot>
[[gnu::noinline]] void weigh(const AttentionTile& tile, const AttentionScratch& scratch, int64_t begin,
                             const Microtile& micro) {
  const int64_t dim = tile.args->layout.head_dim;
  for (int64_t r = 0; r < micro.rows; ++r) {
    const int64_t row = micro.row + r;
    const int64_t count = tile.position + row / tile.group + 1 - begin;
    float* s = scratch.scores + r * kBlock;
    if (count >= kBlock)
      weigh_row<Dot, true>(s, kBlock, tile.c, dim, scratch.m[row], scratch.l + row * 4,
                           scratch.o + row * dim);
    else
      weigh_row<Dot, false>(s, count, tile.c, dim, scratch.m[row], scratch.l + row * 4,
                            scratch.o + row * dim);
  }
}

template <class Dot>
INVAR_SIMD typename Dot::Query* packed_query(const AttentionScratch& scratch, int64_t row, int64_t dim) {
  return reinterpret_cast<typename Dot::Query*>(scratch.q + row * dim / 16 * Dot::kQueryFloats);
}

template <class Dot>
void prepare_tile(const AttentionTile& tile, const AttentionScratch& scratch) {
  const AttentionArgs& args = *tile.args;
  const int64_t dim = args.layout.head_dim;
  for (int64_t row = 0; row < tile.rows();) {
    const Microtile micro = next_microtile<Dot>(row, tile.rows());
    for (int64_t r = 0; r < micro.padded; ++r) {
      const int64_t real =
          r < micro.rows ? row + r : row;  // a padding row repeats one: its results go nowhere
      const bf16* q = args.q + (tile.row + real / tile.group) * args.q_stride +
                      (tile.kv_head * tile.group + real % tile.group) * dim;
      Dot::pack_query(q, dim, r, micro.padded, packed_query<Dot>(scratch, row, dim));
    }
    row += micro.rows;
  }
}

template <class Dot>
void split_tile(const AttentionTile& tile, const AttentionScratch& scratch, int64_t begin, int64_t end,
                const AttentionPartial& out) {
  const int64_t dim = tile.args->layout.head_dim;
  const int64_t rows = tile.rows();
  for (int64_t i = 0; i < (rows + AttentionScratch::kRowsPadded) * dim; i += 16)
    store_f32(scratch.o + i, 0.0f);
  for (int64_t i = 0; i < rows * 4; ++i) scratch.l[i] = 0.0f;
  for (int64_t i = 0; i < rows; ++i) scratch.m[i] = -std::numeric_limits<float>::infinity();

  end = end < tile.position_end() ? end : tile.position_end();
  for (int64_t block_begin = begin; block_begin < end; block_begin += kBlock) {
    const int64_t positions = end - block_begin < kBlock ? end - block_begin : kBlock;
    const int64_t panels = (positions + 15) / 16;
    const Block block = find_block(tile, block_begin, panels);
    for (int64_t row = 0; row < rows;) {
      const Microtile micro = next_microtile<Dot>(row, rows);
      scores<Dot>(block, micro, packed_query<Dot>(scratch, row, dim), panels, scratch.scores);
      weigh<Dot>(tile, scratch, block_begin, micro);
      values<Dot>(tile, block, block_begin, micro, scratch.scores, scratch.o + row * dim);
      row += micro.rows;
    }
  }

  for (int64_t i = 0; i < rows * dim; i += 16) store_f32(out.o + i, load_f32(scratch.o + i) + F32x16(0.0f));
  for (int64_t r = 0; r < rows; ++r) {
    const float* l = scratch.l + r * 4;
    out.l[r] = (l[0] + l[1]) + (l[2] + l[3]);
    out.m[r] = scratch.m[r];
  }
}

// The first lane of exp2p(fma(x, c, -mc)), in all lanes.
INVAR_SIMD F32x16 rescale(float x, float c, float mc) {
  return num::exp2p(fma(F32x16(x), F32x16(c), F32x16(-mc)));
}
INVAR_SIMD float first_lane(F32x16 x) { return _mm256_cvtss_f32(low_half(x)); }
INVAR_SIMD float fused(float a, float b, float c) { return first_lane(fma(F32x16(a), F32x16(b), F32x16(c))); }

void fold_tile(const AttentionTile& tile, const AttentionPartial& total, const AttentionPartial& next) {
  const int64_t dim = tile.args->layout.head_dim;
  for (int64_t r = 0; r < tile.rows(); ++r) {
    const float m = next.m[r] > total.m[r] ? next.m[r] : total.m[r];
    const float mc = m * tile.c;
    const F32x16 a = rescale(total.m[r], tile.c, mc);
    const F32x16 b = rescale(next.m[r], tile.c, mc);
    for (int64_t d = r * dim; d < (r + 1) * dim; d += 16)
      store_f32(total.o + d, fma(load_f32(next.o + d), b, load_f32(total.o + d) * a));
    total.l[r] = fused(next.l[r], first_lane(b), total.l[r] * first_lane(a));
    total.m[r] = m;
  }
}

void finish_tile(const AttentionTile& tile, const AttentionPartial& total) {
  const AttentionArgs& args = *tile.args;
  const int64_t dim = args.layout.head_dim;
  for (int64_t r = 0; r < tile.rows(); ++r) {
    const F32x16 inverse = 1.0f / total.l[r];
    bf16* out = args.out + (tile.row + r / tile.group) * args.out_stride +
                (tile.kv_head * tile.group + r % tile.group) * dim;
    for (int64_t d = 0; d < dim; d += 16) store_bf16(out + d, load_f32(total.o + r * dim + d) * inverse);
    if (args.row_sums != nullptr)
      args.row_sums[(tile.row + r / tile.group) * args.heads + tile.kv_head * tile.group + r % tile.group] = {
          total.m[r] + 0.0f, total.l[r]};
  }
}

template <class Dot>
AttentionKernels attention_kernels() {
  return {prepare_tile<Dot>, split_tile<Dot>, fold_tile, finish_tile};
}

}  // namespace
}  // namespace invar::cpu
