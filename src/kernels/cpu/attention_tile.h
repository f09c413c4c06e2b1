// What the plan of attention (attention_plan.cc) asks of a SIMD tier: the work of one tile.
#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace invar::cpu {

// The rows of a tile: consecutive tokens of one chunk, inside one block of 128 positions, with all query heads of one
// kv head. Row r is token r / group, head r % group of the kv head.
struct AttentionTile {
  const AttentionArgs* args;
  const int32_t* pages;  // block table of the chunk
  float c;               // fp32(scale * log2(e))
  int64_t group;         // query heads of a kv head
  int64_t kv_head;
  int64_t row;       // first token, among the packed rows of the step
  int64_t position;  // its absolute position
  int64_t tokens;

  int64_t rows() const { return tokens * group; }
  int64_t position_end() const { return position + tokens; }  // the keys that its last row sees
};

// Memory of one thread, 64-byte aligned. kRowsPadded more rows than the tile has, for a microtile that is not full.
struct AttentionScratch {
  static constexpr int64_t kRowsPadded = 12;
  static constexpr int64_t kScores = kRowsPadded * 128;

  static constexpr int64_t kQueryFloats = 24;  // at most, for a row and 16 dims of packed queries

  float* q;       // [rows + kRowsPadded, D / 16, kQueryFloats]: the queries, in the tier's own order
  float* scores;  // [kRowsPadded, 128]: one microtile's scores, then its weights
  float* o;       // [rows + kRowsPadded, D]
  float* l;       // [rows, 4]
  float* m;       // [rows]
};

// A split's result for the rows of a tile, or the fold of several: one array of rows * (D + 2) floats.
struct AttentionPartial {
  float* o;  // [rows, D]
  float* m;  // [rows]
  float* l;  // [rows]

  static int64_t floats(int64_t rows, int64_t dim) { return rows * (dim + 2); }
  static AttentionPartial at(float* data, int64_t rows, int64_t dim) {
    return {data, data + rows * dim, data + rows * (dim + 1)};
  }
};

// One tier and profile.
struct AttentionKernels {
  // Packs the queries of the tile into scratch.q.
  void (*prepare)(const AttentionTile& tile, const AttentionScratch& scratch);
  // NUM-ATTN, one split: positions [begin, end), cut at each row's own.
  void (*split)(const AttentionTile& tile, const AttentionScratch& scratch, int64_t begin, int64_t end,
                const AttentionPartial& out);
  // total = fold(total, next).
  void (*fold)(const AttentionTile& tile, const AttentionPartial& total, const AttentionPartial& next);
  // The rows of args.out.
  void (*finish)(const AttentionTile& tile, const AttentionPartial& total);
};

AttentionKernels attention_avx2(Profile profile);
AttentionKernels attention_avx512(Profile profile);
AttentionKernels attention_avx512bf16(Profile profile);

// attention() by the kernels of a tier: divides the tiles, or the splits of few tiles, between threads. c: NUM-ATTN.
void run_attention(Queue& queue, const AttentionArgs& args, float c, const AttentionKernels& kernels);

}  // namespace invar::cpu
