// What the plan of attention_backward (attention_backward_plan.cc) asks of a SIMD tier: the work of one task.
#pragma once

#include <cstdint>

#include "kernels/attention_backward.h"

namespace invar::cpu {

inline constexpr int64_t kKeyBlock = 128;   // keys whose dk and dv accumulate together
inline constexpr int64_t kQueryBlock = 64;  // queries that meet a key block at a time

// Per row and head, what its weights and their gradients need.
struct AttentionRowStat {
  float mc;       // max * c
  float inverse;  // 1 / sum
  float delta;    // d_out . out
};

// One sequence and kv head, or a part of its gradients. Positions are the sequence's own.
struct AttentionBackwardTask {
  const AttentionBackwardArgs* args;
  const AttentionRowStat* stats;  // [T, H]
  float c;                        // fp32(scale * log2(e))
  int64_t row_begin;              // the sequence's first row
  int64_t rows;                   // its length
  int64_t kv_head;
  int64_t key_begin, key_end;      // blocks of kKeyBlock
  int64_t query_begin, query_end;  // blocks of kQueryBlock
  bool keys;                       // dk and dv of these keys: the queries are all that see them
  bool queries;                    // dq of these queries: the keys are all that they see
};

// Memory of one thread, 64-byte aligned; every array is in the tier's own order.
struct AttentionBackwardScratch {
  static constexpr int64_t kRows = 16;  // queries whose scores are at hand

  float* k_lines;  // [kKeyBlock, D]: keys as lines of 16 keys
  float* v_lines;  // [kKeyBlock, D]
  float* k_rows;   // [kKeyBlock, D]: keys as lines of 16 dims
  float* q;        // [kQueryBlock, D]: queries as rows, and as lines of 16 dims
  float* d_out;    // [kQueryBlock, D]
  float* p;        // [kKeyBlock / 16, kQueryBlock, 16]: weights
  float* ds;       // [kKeyBlock / 16, kQueryBlock, 16]: gradients of scores
  float* s_rows;   // [kRows, kKeyBlock]: scores
  float* ds_rows;  // [kRows, kKeyBlock]: gradients of weights, then of scores
  float* dq;       // [kRows, D]
  float* dk;       // [kKeyBlock, D]
  float* dv;       // [kKeyBlock, D]

  static constexpr int64_t floats(int64_t dim) {
    return (5 * kKeyBlock + 2 * kQueryBlock + kRows) * dim + 2 * (kQueryBlock + kRows) * kKeyBlock;
  }
};

// One tier and profile.
struct AttentionBackwardKernels {
  // stats of rows [row_begin, row_end), all heads.
  void (*row_stats)(const AttentionBackwardArgs& args, float c, int64_t row_begin, int64_t row_end,
                    AttentionRowStat* stats);
  void (*run)(const AttentionBackwardTask& task, const AttentionBackwardScratch& scratch);
};

AttentionBackwardKernels attention_backward_avx2(Profile profile);
AttentionBackwardKernels attention_backward_avx512(Profile profile);
AttentionBackwardKernels attention_backward_avx512bf16(Profile profile);

// attention_backward() by the kernels of a tier: divides tasks between threads. c: NUM-ATTN.
void run_attention_backward(Queue& queue, const AttentionBackwardArgs& args, float c,
                            const AttentionBackwardKernels& kernels);

}  // namespace invar::cpu
