// attention: causal grouped-query attention over a paged KV cache; one kernel family for prefill chunks and decode.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/queue.h"
#include "numerics/bf16.h"

namespace invar {

// Shape of a paged KV cache of one layer. Page p of head g holds `page_size` tokens:
//   keys    k_pages[p, g]: panels as in PackedWeight with n = token, k = dim:  [page_size / 16, D / 2, 16, 2]
//   values  v_pages[p, g]: panels with n = dim, k = token:                     [D / 16, page_size / 2, 16, 2]
// so that both products of attention read the cache as linear() reads a weight.
struct KvLayout {
  int64_t kv_heads;   // G
  int64_t head_dim;   // D, a multiple of 16
  int64_t page_size;  // 16, 32, 64 or 128 tokens

  int64_t page_elements() const { return kv_heads * page_size * head_dim; }  // of k_pages, and of v_pages
};

// A run of consecutive positions of one sequence: a prefill chunk, or a single decode row.
struct SequenceChunk {
  int64_t row_begin;       // its first row among the packed rows of the step
  int64_t rows;            // >= 1
  int64_t position_begin;  // absolute position of its first row
  const int32_t* pages;    // block table: page of positions [i * page_size, (i + 1) * page_size)
};

struct KvWriteArgs {
  const bf16* k;  // [T, G, D], rows k_stride apart
  const bf16* v;  // [T, G, D], rows v_stride apart
  int64_t k_stride;
  int64_t v_stride;
  bf16* k_pages;  // [pages, G, page_size * D]
  bf16* v_pages;
  KvLayout layout;
  std::span<const SequenceChunk> chunks;
};

// Copies the keys and values of every chunk row into its page. Numerics: a copy.
void kv_write(Queue& queue, const KvWriteArgs& args);

// What a row's weights were scaled by: softmax weight j is exp2(c (score[j] - max)) / sum, c = scale log2(e).
struct AttentionRowSum {
  float max;  // m of NUM-ATTN: the largest unscaled score, a zero as +0
  float sum;  // l
};

struct AttentionArgs {
  const bf16* q;  // [T, H, D], rows q_stride apart
  bf16* out;      // [T, H, D], rows out_stride apart
  int64_t q_stride;
  int64_t out_stride;
  const bf16* k_pages;  // [pages, G, page_size * D]; holds every position up to each row's own
  const bf16* v_pages;
  KvLayout layout;
  int64_t heads;  // H, a multiple of G; query head h reads kv head h / (H / G)
  float scale;    // softmax scale, as a rule 1 / sqrt(D)
  std::span<const SequenceChunk> chunks;
  AttentionRowSum* row_sums = nullptr;  // [T, H], for attention_backward(); or null
};

// out[r, h] = softmax_j(scale q[r, h] . k[j]) v[j] over the positions j <= p of the row's sequence.
//
// Numerics  NUM-ATTN (docs/numerics.md): KV blocks of 128 positions anchored at 0, NUM-DOT for both products,
//           NUM-EXP2P, row sums in 16 columns, splits at fixed absolute positions folded from left to right.
// Batch     A row depends on its own q, position, keys and values: not on the chunk it came in, its neighbours,
//           the page size, or how heads are grouped.
// Threads   (chunk, kv head, row block or split) items are divided between threads; the fold is in position order.
// Cost      4 H D (p + 1) flop a row; decode reads 2 G D (p + 1) bf16.
// Source    Milakov and Gimelshein 2018, arXiv:1805.02867; Dao 2023, arXiv:2307.08691;
//           Kwon et al. 2023, arXiv:2309.06180.
void attention(Queue& queue, const AttentionArgs& args);

}  // namespace invar
