// The text of attention_backward for all SIMD tiers; include a simd_*.h first, and the tier's Dot.
//
// A task runs key block by key block, with the queries that see it in blocks of 64, of one head after the other. In
// each, 16 queries at a time: scores, gradients of weights, P and dS, dq; then dk and dv over all 64.
#pragma once

#include "kernels/cpu/attention_backward_pack.h"
#include "numerics/functions.h"

namespace invar::cpu {
namespace {

// A block of keys in a task.
struct KeyBlock {
  int64_t begin;   // position
  int64_t panels;  // of 16 keys; the last one may have absent ones
};

template <class Dot>
INVAR_SIMD typename Dot::Element* elements(float* memory) {
  return reinterpret_cast<typename Dot::Element*>(memory);
}

template <class Dot>
void pack_keys(const AttentionBackwardTask& task, const KeyBlock& block,
               const AttentionBackwardScratch& scratch) {
  const AttentionBackwardArgs& args = *task.args;
  const HeadRows k = head_rows(task, args.k, args.k_stride, task.kv_head, block.begin);
  const HeadRows v = head_rows(task, args.v, args.v_stride, task.kv_head, block.begin);
  for (int64_t p = 0; p < block.panels; ++p) {
    const int64_t at = p * args.head_dim / Dot::kPerElement * kLanes;
    pack_lines<Dot>(k, p * kLanes, args.head_dim, elements<Dot>(scratch.k_lines) + at);
    pack_lines<Dot>(v, p * kLanes, args.head_dim, elements<Dot>(scratch.v_lines) + at);
  }
  if (task.queries) Dot::pack_rows(k, args.head_dim, block.panels * kLanes, kKeyBlock, scratch.k_rows);
}

// Queries of one head from a position on.
struct QueryBlock {
  int64_t head;
  int64_t position;
};

// Where the queries of a tile are in their block, and which keys they see.
struct QueryGroup {
  int64_t position;  // of its first row
  int64_t local;     // first row in the query block
  int64_t panels;    // of keys that one of its rows sees
  int64_t head;
};

// Steps 2 to 4 of NUM-ATTN-BWD for one row and 16 keys, of which `visible` are.
struct Weights {
  F32x16 p;
  F32x16 ds;
};
INVAR_SIMD Weights weights(const AttentionRowStat& stat, float c, F32x16 s, F32x16 dp, int64_t visible) {
  const F32x16 p = num::exp2p(fma(s, F32x16(c), F32x16(-stat.mc))) * F32x16(stat.inverse);
  const F32x16 ds = p * (dp - F32x16(stat.delta));
  const Weights out{round_bf16(p), round_bf16(ds)};
  if (visible >= kLanes) return out;
  const Mask16 seen = first_lanes(visible);
  return {select(seen, out.p, F32x16(0.0f)), select(seen, out.ds, F32x16(0.0f))};
}

// Scores and gradients of weights become weights and gradients of scores, two rows at a time.
template <class Dot>
[[gnu::noinline]] void weigh(const AttentionBackwardTask& task, const KeyBlock& block,
                             const QueryGroup& group, const AttentionBackwardScratch& scratch) {
  constexpr int64_t kPanelElements = kQueryBlock * kLanes / Dot::kPerElement;
  for (int64_t r = 0; r < kGroupRows; r += 2) {
    AttentionRowStat stats[2] = {};
    int64_t seen[2] = {0, 0};  // keys of the block; an absent row sees none
    for (int64_t e = 0; e < 2; ++e) {
      const int64_t position = group.position + r + e;
      if (position >= task.rows) continue;
      stats[e] = task.stats[(task.row_begin + position) * task.args->heads + group.head];
      seen[e] = position + 1 - block.begin;
    }
    float* s = scratch.s_rows + r * kKeyBlock;
    float* ds = scratch.ds_rows + r * kKeyBlock;
    const int64_t at = (group.local + r) / Dot::kPerElement * kLanes;
    for (int64_t p = 0; p < group.panels; ++p) {
      Weights w[2];
#pragma GCC unroll 2
      for (int64_t e = 0; e < 2; ++e) {
        const int64_t i = e * kKeyBlock + p * kLanes;
        w[e] = weights(stats[e], task.c, load_f32(s + i), load_f32(ds + i), seen[e] - p * kLanes);
        Dot::store_row(elements<Dot>(ds + e * kKeyBlock), p, w[e].ds);
      }
      if (!task.keys) continue;
      Dot::store_pair(elements<Dot>(scratch.p) + p * kPanelElements + at, w[0].p, w[1].p);
      Dot::store_pair(elements<Dot>(scratch.ds) + p * kPanelElements + at, w[0].ds, w[1].ds);
    }
  }
}

template <class Dot>
[[gnu::noinline]] void multiply_queries(const QueryGroup& group, const AttentionBackwardScratch& scratch,
                                        int64_t dim, bool first) {
  [[maybe_unused]] const typename Dot::Scope scope;
  multiply<Dot, kKeyBlock, 1>({.rows = elements<Dot>(scratch.ds_rows),
                               .row_stride = kKeyBlock,
                               .lines = Dot::dim_lines(scratch.k_rows, dim, kKeyBlock),
                               .acc = {scratch.dq, dim, first},
                               .panels = dim / kLanes,
                               .count = group.panels * kLanes});
}

// dq of the group's rows goes on over this block's keys; its last block ends it.
template <class Dot>
void add_queries(const AttentionBackwardTask& task, const KeyBlock& block, const QueryGroup& group,
                 const AttentionBackwardScratch& scratch) {
  const AttentionBackwardArgs& args = *task.args;
  const int64_t dim = args.head_dim;
  const int64_t rows = task.rows - group.position < kGroupRows ? task.rows - group.position : kGroupRows;
  float* dq = args.dq + (task.row_begin + group.position) * args.dq_stride + group.head * dim;
  const bool first = block.begin == 0;
  if (!first)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t d = 0; d < dim; d += kLanes)
        store_f32(scratch.dq + r * dim + d, load_f32(dq + r * args.dq_stride + d));
  multiply_queries<Dot>(group, scratch, dim, first);
  const bool last = group.position - block.begin < kKeyBlock;
  const F32x16 scale = args.scale;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t d = 0; d < dim; d += kLanes) {
      const F32x16 acc = load_f32(scratch.dq + r * dim + d);
      store_f32(dq + r * args.dq_stride + d, last ? (acc + F32x16(0.0f)) * scale : acc);
    }
}

// dk and dv of the block's keys go on over the `rows` queries at hand.
template <class Dot>
[[gnu::noinline]] void add_keys(const AttentionBackwardTask& task, const KeyBlock& block, QueryBlock at,
                                int64_t rows, const AttentionBackwardScratch& scratch) {
  [[maybe_unused]] const typename Dot::Scope scope;
  using Element = typename Dot::Element;
  constexpr int64_t kPanelElements = kQueryBlock * kLanes / Dot::kPerElement;
  const int64_t dim = task.args->head_dim;
  const bool first_head = at.head == task.kv_head * (task.args->heads / task.args->kv_heads);
  for (int64_t p = 0; p < block.panels; ++p) {
    const int64_t unseen = block.begin + p * kLanes - at.position;  // queries before the panel
    const int64_t begin = unseen > 0 ? unseen : 0;
    if (begin >= rows) return;
    const auto add = [&](const float* left, const float* right, float* acc) {
      const Element* first_row = reinterpret_cast<const Element*>(left) + p * kPanelElements;
      multiply<Dot, 1, kLanes>(
          {.rows = first_row + begin / Dot::kPerElement * kLanes,
           .row_stride = 1,
           .lines = Dot::dim_lines(right, dim, kQueryBlock).at(0, begin / Dot::kPerElement),
           .acc = {acc + p * kLanes * dim, dim, first_head && unseen >= 0},
           .panels = dim / kLanes,
           .count = rows - begin});
    };
    add(scratch.p, scratch.d_out, scratch.dv);
    add(scratch.ds, scratch.q, scratch.dk);
  }
}

// Scores of the group's rows, and the gradients of their weights.
template <class Dot>
[[gnu::noinline]] void score(const AttentionBackwardTask& task, const QueryGroup& group,
                             const AttentionBackwardScratch& scratch) {
  [[maybe_unused]] const typename Dot::Scope scope;
  const int64_t row = task.args->head_dim / Dot::kPerElement;  // elements
  const auto multiply_rows = [&](float* left, float* lines, float* out) {
    multiply<Dot, 0, 1>({.rows = elements<Dot>(left) + group.local * row,
                         .row_stride = row,
                         .lines = {elements<Dot>(lines), row * kLanes, kLanes},
                         .acc = {out, kKeyBlock, true},
                         .panels = group.panels,
                         .count = task.args->head_dim});
  };
  multiply_rows(scratch.q, scratch.k_lines, scratch.s_rows);
  multiply_rows(scratch.d_out, scratch.v_lines, scratch.ds_rows);
}

// `next`: the block to come, any where there is none.
template <class Dot>
void query_block(const AttentionBackwardTask& task, const KeyBlock& block, QueryBlock at, QueryBlock next,
                 const AttentionBackwardScratch& scratch) {
  const AttentionBackwardArgs& args = *task.args;
  const auto [head, position] = at;
  const int64_t dim = args.head_dim;
  const int64_t present = task.rows - position < kQueryBlock ? task.rows - position : kQueryBlock;
  const int64_t rows = (present + kGroupRows - 1) / kGroupRows * kGroupRows;
  Dot::pack_rows(head_rows(task, args.q, args.q_stride, head, position), dim, rows, kQueryBlock, scratch.q);
  Dot::pack_rows(head_rows(task, args.d_out, args.d_out_stride, head, position), dim, rows, kQueryBlock,
                 scratch.d_out);
  for (int64_t local = 0; local < rows; local += kGroupRows) {
    const int64_t seen = (position + local - block.begin) / kLanes + 1;
    const QueryGroup group{position + local, local, seen < block.panels ? seen : block.panels, head};
    prefetch_queries(task, next.head, next.position + local);
    if (task.queries) {
      const int64_t left = present - local < kGroupRows ? present - local : kGroupRows;
      prefetch_rows(args.dq + (task.row_begin + group.position) * args.dq_stride + at.head * dim,
                    args.dq_stride, dim, left);
    }
    score<Dot>(task, group, scratch);
    weigh<Dot>(task, block, group, scratch);
    if (task.queries) add_queries<Dot>(task, block, group, scratch);
  }
  if (task.keys) add_keys<Dot>(task, block, at, rows, scratch);
}

// The chains of dk and dv end.
INVAR_SIMD void finish_keys(const AttentionBackwardTask& task, const KeyBlock& block,
                            const AttentionBackwardScratch& scratch) {
  const AttentionBackwardArgs& args = *task.args;
  const int64_t dim = args.head_dim;
  const F32x16 scale = args.scale;
  const int64_t end = task.rows - block.begin < kKeyBlock ? task.rows - block.begin : kKeyBlock;
  for (int64_t j = 0; j < end; ++j) {
    const int64_t row = task.row_begin + block.begin + j;
    float* dk = args.dk + row * args.dk_stride + task.kv_head * dim;
    bf16* dv = args.dv + row * args.dv_stride + task.kv_head * dim;
    for (int64_t d = 0; d < dim; d += kLanes) {
      store_f32(dk + d, (load_f32(scratch.dk + j * dim + d) + F32x16(0.0f)) * scale);
      store_bf16(dv + d, load_f32(scratch.dv + j * dim + d) + F32x16(0.0f));
    }
  }
}

template <class Dot>
void run_task(const AttentionBackwardTask& task, const AttentionBackwardScratch& scratch) {
  const AttentionBackwardArgs& args = *task.args;
  const int64_t group = args.heads / args.kv_heads;
  for (int64_t begin = task.key_begin; begin < task.key_end; begin += kKeyBlock) {
    const int64_t keys = task.rows - begin < kKeyBlock ? task.rows - begin : kKeyBlock;
    const KeyBlock block{begin, (keys + kLanes - 1) / kLanes};
    pack_keys<Dot>(task, block, scratch);
    const int64_t query_begin = begin > task.query_begin ? begin : task.query_begin;
    const int64_t head_end = (task.kv_head + 1) * group;
    for (QueryBlock at{task.kv_head * group, query_begin}; at.head < head_end;) {
      if (task.keys && at.head + 1 == head_end && at.position == query_begin)
        prefetch_key_gradients(task, begin, keys);
      QueryBlock next{at.head, at.position + kQueryBlock};
      if (next.position >= task.query_end) next = {at.head + 1, query_begin};
      query_block<Dot>(task, block, at, next.head < head_end ? next : at, scratch);
      at = next;
    }
    if (task.keys) finish_keys(task, block, scratch);
  }
}

void row_stats(const AttentionBackwardArgs& args, float c, int64_t row_begin, int64_t row_end,
               AttentionRowStat* stats) {
  for (int64_t row = row_begin; row < row_end; ++row)
    for (int64_t h = 0; h < args.heads; ++h) {
      const bf16* d_out = args.d_out + row * args.d_out_stride + h * args.head_dim;
      const bf16* out = args.out + row * args.out_stride + h * args.head_dim;
      F32x16 lanes = 0.0f;
      for (int64_t d = 0; d < args.head_dim; d += kLanes)
        lanes = fma(load_bf16(d_out + d), load_bf16(out + d), lanes);
      const AttentionRowSum sum = args.row_sums[row * args.heads + h];
      stats[row * args.heads + h] = {sum.max * c, 1.0f / sum.sum, fold_halves(lanes)};
    }
}

template <class Dot>
AttentionBackwardKernels attention_backward_kernels() {
  return {row_stats, run_task<Dot>};
}

}  // namespace
}  // namespace invar::cpu
