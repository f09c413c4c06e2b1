// How attention_backward reads and packs queries, keys and values, for all SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/attention_backward_product.h"

namespace invar::cpu {
namespace {

// Rows [position, position + count) of one head of x, absent ones zero.
struct HeadRows {
  const bf16* first;  // row of `position`
  int64_t stride;
  int64_t count;  // real ones
};

INVAR_SIMD HeadRows head_rows(const AttentionBackwardTask& task, const bf16* x, int64_t stride, int64_t head,
                              int64_t position) {
  return {x + (task.row_begin + position) * stride + head * task.args->head_dim, stride,
          task.rows - position};
}

// Four 128-bit parts.
INVAR_SIMD I32x16 load_parts(const bf16* p0, const bf16* p1, const bf16* p2, const bf16* p3) {
  const auto part = [](const bf16* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(part(p0)), part(p1), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(part(p2)), part(p3), 1);
#ifdef __AVX512F__
  return I32x16(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
#else
  return I32x16(low, high);
#endif
}

// Lane n of line i: pair i of the four at row[n].
INVAR_SIMD void transpose_pairs(const bf16* const (&row)[kLanes], I32x16 (&line)[4]) {
  I32x16 parts[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) parts[j] = load_parts(row[j], row[4 + j], row[8 + j], row[12 + j]);
  transpose_parts(parts, line);
}

// A row's 16 dims as fp32, zero where the row is absent.
INVAR_SIMD F32x16 load_dims(const HeadRows& x, int64_t row, int64_t d) {
  return row < x.count ? load_bf16(x.first + row * x.stride + d) : F32x16(0.0f);
}

// Rows of one head lie far apart, where the hardware does not look ahead: they are asked for while products run.
template <class T>
INVAR_SIMD void prefetch_rows(const T* first, int64_t stride, int64_t dim, int64_t rows) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t d = 0; d < dim; d += kLine)
      _mm_prefetch(reinterpret_cast<const char*>(first + r * stride + d), _MM_HINT_T0);
}

// Queries and d_out of the 16 rows at `position`.
INVAR_SIMD void prefetch_queries(const AttentionBackwardTask& task, int64_t head, int64_t position) {
  const AttentionBackwardArgs& args = *task.args;
  const int64_t rows = task.rows - position < kGroupRows ? task.rows - position : kGroupRows;
  const HeadRows q = head_rows(task, args.q, args.q_stride, head, position);
  const HeadRows d_out = head_rows(task, args.d_out, args.d_out_stride, head, position);
  prefetch_rows(q.first, q.stride, args.head_dim, rows);
  prefetch_rows(d_out.first, d_out.stride, args.head_dim, rows);
}

// Where dk and dv of `keys` rows at `position` will be written.
INVAR_SIMD void prefetch_key_gradients(const AttentionBackwardTask& task, int64_t position, int64_t keys) {
  const AttentionBackwardArgs& args = *task.args;
  const int64_t row = task.row_begin + position, column = task.kv_head * args.head_dim;
  prefetch_rows(args.dk + row * args.dk_stride + column, args.dk_stride, args.head_dim, keys);
  prefetch_rows(args.dv + row * args.dv_stride + column, args.dv_stride, args.head_dim, keys);
}

// 16 keys or values as lines of pairs of dims, in `out`.
template <class Dot>
INVAR_SIMD void pack_lines(const HeadRows& x, int64_t begin, int64_t dim, typename Dot::Element* out) {
  constexpr bf16 kAbsent[8] = {};
  const bf16* row[kLanes];
  for (int64_t d = 0; d < dim; d += 8) {
    for (int64_t n = 0; n < kLanes; ++n)
      row[n] = begin + n < x.count ? x.first + (begin + n) * x.stride + d : kAbsent;
    I32x16 line[4];
    transpose_pairs(row, line);
    for (int i = 0; i < 4; ++i) Dot::store_line(out + (d + 2 * i) / Dot::kPerElement * kLanes, line[i]);
  }
}

// What the two forms of packed bf16 pairs share, vdpbf16ps and NUM-H16. Rows lie as they are, [rows, D / 2]; lines of
// 16 dims behind them, [D / 16, rows / 2, 16].
struct PairOperands {
  using Element = int32_t;
  static constexpr int64_t kPerElement = 2;

  INVAR_SIMD static void store_line(int32_t* out, I32x16 pairs) { store_i32(out, pairs); }

  // `capacity`: rows that `out` has room for.
  static void pack_rows(const HeadRows& x, int64_t dim, int64_t rows, int64_t capacity, float* out) {
    int32_t* as_rows = reinterpret_cast<int32_t*>(out);
    int32_t* as_lines = as_rows + capacity * dim / 2;
    for (int64_t r = 0; r < rows; r += 2)
      for (int64_t d = 0; d < dim; d += kLanes) {
        const F32x16 even = load_dims(x, r, d), odd = load_dims(x, r + 1, d);
        store_bf16(reinterpret_cast<bf16*>(as_rows + (r * dim + d) / 2), even);
        store_bf16(reinterpret_cast<bf16*>(as_rows + ((r + 1) * dim + d) / 2), odd);
        store_i32(as_lines + (d / kLanes * capacity + r) / 2 * kLanes, pair(even, odd));
      }
  }
  INVAR_SIMD static Lines<int32_t> dim_lines(const float* packed, int64_t dim, int64_t capacity) {
    return {reinterpret_cast<const int32_t*>(packed) + capacity * dim / 2, capacity / 2 * kLanes, kLanes};
  }

  // Of values that are bf16: both fit one lane.
  INVAR_SIMD static I32x16 pair(F32x16 even, F32x16 odd) { return shr<16>(as_int(even)) | as_int(odd); }
  INVAR_SIMD static void store_pair(int32_t* out, F32x16 even, F32x16 odd) {
    store_i32(out, pair(even, odd));
  }
  INVAR_SIMD static void store_row(int32_t* row, int64_t panel, F32x16 x) {
    store_bf16(reinterpret_cast<bf16*>(row) + panel * kLanes, x);
  }
};

}  // namespace
}  // namespace invar::cpu
