#include <algorithm>
#include <bit>

#include "kernels/cpu/attention_tile.h"
#include "numerics/attention_split.h"

namespace invar::cpu {
namespace {

constexpr int64_t kTileRows =
    64;  // rows that share a block of keys and values while it is in the first-level cache

// Below this many multiply-adds a fork and join costs more than the work.
constexpr int64_t kWorkWorthThreads = 100'000;

// A tile in the list, or one split of it.
struct Item {
  int64_t row;
  int64_t position;
  const int32_t* pages;
  int32_t kv_head;
  int32_t tokens;
  int64_t split;    // first split
  int64_t splits;   // how many, from there
  int64_t partial;  // where its result goes, in floats from the start of all partials; -1: to the output
  int64_t cost;     // of all items before it
};

int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

// How a call is divided. Only the shares depend on the number of threads, and they move no bit.
class Plan {
 public:
  Plan(Queue& queue, const AttentionArgs& args, float c)
      : args_(args), c_(c), group_(args.heads / args.layout.kv_heads), threads_(queue.pool().threads()) {
    const auto tokens = static_cast<uint64_t>(std::max<int64_t>(1, kTileRows / group_));
    tile_tokens_ = std::min<int64_t>(kAttentionBlock, static_cast<int64_t>(std::bit_floor(tokens)));
    count();
    allocate(queue);
    list();
  }

  int64_t items() const { return items_count_; }
  bool by_split() const { return by_split_; }
  // Threads worth waking, each with a share of about the same cost.
  int64_t shares() const { return shares_; }
  int64_t share_begin(int64_t share) const {
    const int64_t cost = total_cost_ * share / shares_;
    return std::partition_point(items_, items_ + items_count_,
                                [&](const Item& item) { return item.cost < cost; }) -
           items_;
  }

  AttentionTile tile(const Item& item) const {
    return {.args = &args_,
            .pages = item.pages,
            .c = c_,
            .group = group_,
            .kv_head = item.kv_head,
            .row = item.row,
            .position = item.position,
            .tokens = item.tokens};
  }
  const Item& item(int64_t i) const { return items_[i]; }
  AttentionPartial partial(const Item& item) const {
    return AttentionPartial::at(partials_ + item.partial, item.tokens * group_, args_.layout.head_dim);
  }

  AttentionScratch scratch(int64_t share) const {
    const int64_t dim = args_.layout.head_dim;
    const int64_t rows = tile_tokens_ * group_;
    AttentionScratch scratch;
    float* next = threads_scratch_ + share * scratch_floats();
    const auto take = [&](int64_t floats) { return std::exchange(next, next + round_up(floats, 16)); };
    scratch.q = take((rows + AttentionScratch::kRowsPadded) * dim / 16 * AttentionScratch::kQueryFloats);
    scratch.scores = take(AttentionScratch::kScores);
    scratch.o = take((rows + AttentionScratch::kRowsPadded) * dim);
    scratch.l = take(rows * 4);
    scratch.m = take(rows);
    return scratch;
  }
  // Two partials of a thread: the fold so far, and the next split.
  AttentionPartial own_partial(int64_t share, int64_t which, int64_t rows) const {
    const int64_t dim = args_.layout.head_dim;
    float* data = threads_scratch_ + (share + 1) * scratch_floats() - (which + 1) * partial_floats();
    return AttentionPartial::at(data, rows, dim);
  }

 private:
  int64_t partial_floats() const {
    return round_up(AttentionPartial::floats(tile_tokens_ * group_, args_.layout.head_dim), 16);
  }
  int64_t scratch_floats() const {
    const int64_t rows = tile_tokens_ * group_;
    const int64_t padded = (rows + AttentionScratch::kRowsPadded) * args_.layout.head_dim / 16;
    return round_up(padded * (AttentionScratch::kQueryFloats + 16), 16) + AttentionScratch::kScores +
           round_up(rows * 4, 16) + round_up(rows, 16) + 2 * partial_floats();
  }

  // Calls body(chunk, kv head, first position, tokens) for every tile.
  template <class Body>
  void for_tiles(const Body& body) const {
    for (const SequenceChunk& chunk : args_.chunks)
      for (int32_t g = 0; g < args_.layout.kv_heads; ++g) {
        const int64_t end = chunk.position_begin + chunk.rows;
        for (int64_t position = chunk.position_begin; position < end;) {
          const int64_t next = std::min(end, (position / tile_tokens_ + 1) * tile_tokens_);
          body(chunk, g, position, next - position);
          position = next;
        }
      }
  }

  void count() {
    int64_t tiles = 0, splits = 0;
    for_tiles([&](const SequenceChunk&, int32_t, int64_t position, int64_t tokens) {
      const int64_t tile_splits = attention_split_index(position) + 1;
      tiles += 1;
      splits += tile_splits;
      partials_floats_ +=
          tile_splits * round_up(AttentionPartial::floats(tokens * group_, args_.layout.head_dim), 16);
    });
    by_split_ = threads_ > 1 && tiles < 4 * threads_ && splits > tiles;
    items_count_ = by_split_ ? splits : tiles;
    if (!by_split_) partials_floats_ = 0;
  }

  void allocate(Queue& queue) {
    const int64_t item_bytes = round_up(items_count_ * static_cast<int64_t>(sizeof(Item)), 64);
    const int64_t floats = partials_floats_ + threads_ * scratch_floats();
    std::byte* memory =
        queue.scratch(static_cast<std::size_t>(item_bytes) + static_cast<std::size_t>(floats) * 4);
    items_ = reinterpret_cast<Item*>(memory);
    partials_ = reinterpret_cast<float*>(memory + item_bytes);
    threads_scratch_ = partials_ + partials_floats_;
  }

  void list() {
    int64_t i = 0, partial = 0;
    for_tiles([&](const SequenceChunk& chunk, int32_t g, int64_t position, int64_t tokens) {
      const int64_t splits = attention_split_index(position) + 1;
      const int64_t step = by_split_ ? 1 : splits;
      for (int64_t split = 0; split < splits; split += step) {
        const int64_t begin = attention_split(split).begin;
        const int64_t end = std::min(attention_split(split + step - 1).end, position + tokens);
        items_[i++] = {.row = chunk.row_begin + position - chunk.position_begin,
                       .position = position,
                       .pages = chunk.pages,
                       .kv_head = g,
                       .tokens = static_cast<int32_t>(tokens),
                       .split = split,
                       .splits = step,
                       .partial = by_split_ ? partial : -1,
                       .cost = total_cost_};
        if (by_split_)
          partial += round_up(AttentionPartial::floats(tokens * group_, args_.layout.head_dim), 16);
        // Few rows cost what reading the cache costs.
        total_cost_ += (end - begin) * std::max<int64_t>(2, tokens * group_);
      }
    });
    const int64_t work = 2 * total_cost_ * args_.layout.head_dim;
    shares_ = work < kWorkWorthThreads ? 1 : threads_;
  }

  const AttentionArgs& args_;
  float c_;
  int64_t group_;
  int64_t threads_;
  int64_t tile_tokens_ = 1;
  int64_t items_count_ = 0;
  int64_t partials_floats_ = 0;
  int64_t total_cost_ = 0;
  int64_t shares_ = 1;
  bool by_split_ = false;
  Item* items_ = nullptr;
  float* partials_ = nullptr;
  float* threads_scratch_ = nullptr;
};

// Calls body(item, share) for all items, each share of them on a thread.
template <class Body>
void for_items(const Queue& queue, const Plan& plan, const Body& body) {
  queue.pool().parallel_for(plan.shares(), [&](int64_t begin, int64_t end, int) {
    for (int64_t share = begin; share < end; ++share)
      for (int64_t i = plan.share_begin(share); i < plan.share_begin(share + 1); ++i)
        body(plan.item(i), share);
  });
}

}  // namespace

void run_attention(Queue& queue, const AttentionArgs& args, float c, const AttentionKernels& kernels) {
  const Plan plan(queue, args, c);
  for_items(queue, plan, [&](const Item& item, int64_t share) {
    const AttentionTile tile = plan.tile(item);
    const AttentionScratch scratch = plan.scratch(share);
    kernels.prepare(tile, scratch);
    const AttentionPartial total =
        plan.by_split() ? plan.partial(item) : plan.own_partial(share, 0, tile.rows());
    for (int64_t i = 0; i < item.splits; ++i) {
      const auto [begin, end] = attention_split(item.split + i);
      const AttentionPartial& out = i == 0 ? total : plan.own_partial(share, 1, tile.rows());
      kernels.split(tile, scratch, begin, end, out);
      if (i > 0) kernels.fold(tile, total, out);
    }
    if (!plan.by_split()) kernels.finish(tile, total);
  });
  if (!plan.by_split()) return;

  // The items of a tile are neighbours; the first one's partial becomes the fold.
  for_items(queue, plan, [&](const Item& first, int64_t) {
    if (first.split != 0) return;
    const AttentionTile tile = plan.tile(first);
    const AttentionPartial total = plan.partial(first);
    const int64_t splits = attention_split_index(first.position) + 1;
    for (int64_t i = 1; i < splits; ++i) kernels.fold(tile, total, plan.partial((&first)[i]));
    kernels.finish(tile, total);
  });
}

}  // namespace invar::cpu
