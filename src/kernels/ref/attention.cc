#include "kernels/ref/attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/ref/chains.h"
#include "numerics/attention_split.h"
#include "numerics/functions.h"

namespace invar::ref {
namespace {

constexpr int64_t kBlock = kAttentionBlock;
constexpr int64_t kColumns = 16;  // of a row sum
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One query row: position, head and the cache that it reads.
struct Row {
  const AttentionArgs* args;
  Profile profile;
  const int32_t* pages;
  const bf16* q;  // [D]
  int64_t kv_head;
  int64_t position;

  // The pages hold panels of 16, pairs side by side: of tokens for keys, of dims for values (attention.h).
  int64_t page_begin(int64_t j) const {
    const KvLayout& layout = args->layout;
    return (pages[j / layout.page_size] * layout.kv_heads + kv_head) * layout.page_size * layout.head_dim;
  }
  bf16 k(int64_t j, int64_t d) const {
    const int64_t t = j % args->layout.page_size;
    return args
        ->k_pages[page_begin(j) + ((t / 16 * (args->layout.head_dim / 2) + d / 2) * 16 + t % 16) * 2 + d % 2];
  }
  bf16 v(int64_t j, int64_t d) const {
    const int64_t t = j % args->layout.page_size;
    return args->v_pages[page_begin(j) + ((d / 16 * (args->layout.page_size / 2) + t / 2) * 16 + d % 16) * 2 +
                         t % 2];
  }
};

// What a split, or a fold of splits, amounts to.
struct Partial {
  std::vector<float> o;  // [D]
  float m = -kInfinity;
  float l = 0;
};

// Steps 1 to 7 of NUM-ATTN for the block of positions [begin, begin + 128).
void add_block(const Row& row, float c, int64_t begin, Partial& split, float (&l)[4]) {
  const int64_t dim = row.args->layout.head_dim;
  const int64_t count = std::min(kBlock, row.position + 1 - begin);  // the visible positions
  std::vector<bf16> terms(static_cast<std::size_t>(std::max(dim, kBlock)));
  float s[kBlock];
  float m = split.m;
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t d = 0; d < dim; ++d) terms[d] = row.k(begin + j, d);
    s[j] = attention_chain(row.profile, 0.0f, row.q, terms.data(), dim);
    if (s[j] > m) m = s[j];  // a NaN takes no part
  }

  const float mc = m * c;
  const float r = num::exp2p(num::fma(split.m, c, -mc));
  float b[kColumns] = {};
  bf16 p[kBlock] = {};
  for (int64_t j = 0; j < count; ++j) {
    const float w = num::exp2p(num::fma(s[j], c, -mc));
    b[j % kColumns] += w;
    p[j] = to_bf16(w);
  }
  for (int t = 0; t < 4; ++t) {
    const float u = (b[2 * t] + b[2 * t + 8]) + (b[2 * t + 1] + b[2 * t + 9]);
    l[t] = num::fma(l[t], r, u);
  }

  for (int64_t d = 0; d < dim; ++d) {
    for (int64_t j = 0; j < kBlock; ++j) terms[j] = j < count ? row.v(begin + j, d) : bf16{0};
    split.o[d] = attention_chain(row.profile, split.o[d] * r, p, terms.data(), kBlock);
  }
  split.m = m;
}

void fold(Partial& total, const Partial& split, float c) {
  const float m = split.m > total.m ? split.m : total.m;
  const float mc = m * c;
  const float a = num::exp2p(num::fma(total.m, c, -mc));
  const float b = num::exp2p(num::fma(split.m, c, -mc));
  for (std::size_t d = 0; d < total.o.size(); ++d) total.o[d] = num::fma(split.o[d], b, total.o[d] * a);
  total.l = num::fma(split.l, b, total.l * a);
  total.m = m;
}

AttentionRowSum attend(const Row& row, float c, bf16* out) {
  const int64_t dim = row.args->layout.head_dim;
  Partial total;
  for (int64_t i = 0; i <= attention_split_index(row.position); ++i) {
    const auto [begin, end] = attention_split(i);
    Partial split{std::vector<float>(static_cast<std::size_t>(dim))};
    float l[4] = {};
    for (int64_t block = begin; block < std::min(end, row.position + 1); block += kBlock)
      add_block(row, c, block, split, l);
    for (float& o : split.o) o += 0.0f;
    split.l = (l[0] + l[1]) + (l[2] + l[3]);
    if (i == 0)
      total = split;
    else
      fold(total, split, c);
  }
  const float inverse = 1.0f / total.l;
  for (int64_t d = 0; d < dim; ++d) out[d] = to_bf16(total.o[d] * inverse);
  return {total.m + 0.0f, total.l};
}

}  // namespace

void attention(Profile profile, const AttentionArgs& args, float c) {
  const int64_t dim = args.layout.head_dim;
  const int64_t group = args.heads / args.layout.kv_heads;
  for (const SequenceChunk& chunk : args.chunks)
    for (int64_t i = 0; i < chunk.rows; ++i)
      for (int64_t h = 0; h < args.heads; ++h) {
        const int64_t t = chunk.row_begin + i;
        const Row row{&args,       profile,
                      chunk.pages, args.q + t * args.q_stride + h * dim,
                      h / group,   chunk.position_begin + i};
        const AttentionRowSum sum = attend(row, c, args.out + t * args.out_stride + h * dim);
        if (args.row_sums != nullptr) args.row_sums[t * args.heads + h] = sum;
      }
}

}  // namespace invar::ref
