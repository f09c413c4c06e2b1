#include "kernels/cpu/linear_weight_grad_driver.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/cpu/linear_mode.h"
#include "kernels/cpu/linear_plan.h"
#include "kernels/cpu/transpose_tokens.h"
#include "kernels/linear.h"
#include "numerics/grid_sum.h"

namespace invar {
namespace {

constexpr int64_t kPanel = PackedWeight::kPanel;
constexpr int64_t kHalf = 16;          // tokens that are transposed together: all of a group, or half of one
constexpr int64_t kTileMax = 32;       // rows of a tile, and tokens of a group
constexpr int64_t kTilesOfPack = 4;    // row tiles that are packed together: a cache line of bf16
constexpr int64_t kRowsOfBlock = 768;  // of tiles: their sums of an item's panels stay in the L2 cache
constexpr int64_t kRowsOfBlockMin = 128;            // fewer would expand the panels too often
constexpr int64_t kPackedBytes = int64_t{8} << 20;  // of a block's rows, where possible
constexpr int64_t kPrefetchChunks = 4;              // the last of a call, in which the gradient is prefetched
constexpr int64_t kMergeRows = 64;                  // of sums that are merged into the gradient together

// dy or x: [T, channels], rows `stride` apart.
struct Operand {
  const bf16* values;
  int64_t stride;
  int64_t channels;
};

// At most k_group tokens (of the tile) that are neighbours in a leaf.
struct Group {
  int64_t row_begin;  // of dy and x
  int64_t rows;
  int64_t chunk;
};

// The part of a leaf that lies in one chunk.
struct Segment {
  int64_t group;  // the first, within its chunk
  int64_t groups;
  int64_t leaf;
  bool first, last;  // of its leaf
};

// All leaves, each padded to whole groups, lie one after the other on one axis. A chunk is a part of it whose panels
// fit in the L1 cache: one of the equal parts of a long leaf, or as many whole leaves as it holds, because a leaf that
// is not cut keeps its accumulators in registers.
struct Chunk {
  int64_t segment_begin, segment_end;
  int64_t group_begin;
  int64_t groups;
};

struct Tokens {
  Tokens(std::span<const SequenceRows> sequences, const LinearTile& tile) : group(tile.k_group) {
    const int64_t chunk_groups = tile.k_chunk / group;
    for (const SequenceRows& sequence : sequences)
      for (int64_t t = 0; t < sequence.rows; t += kGradLeaf)
        add_leaf({.row_begin = sequence.row_begin + t, .rows = std::min(kGradLeaf, sequence.rows - t)},
                 chunk_groups);
  }

  int64_t size() const { return std::ssize(groups); }

  void add_leaf(const SequenceRows& leaf, int64_t chunk_groups) {
    const int64_t count = ceil_div(leaf.rows, group), parts = ceil_div(count, chunk_groups);
    for (int64_t i = 0; i < parts; ++i) {
      const Range part(count, parts, i);
      if (chunks.empty() || chunks.back().groups + part.size() > chunk_groups)
        chunks.push_back({.segment_begin = std::ssize(segments),
                          .segment_end = std::ssize(segments),
                          .group_begin = size(),
                          .groups = 0});
      Chunk& chunk = chunks.back();
      segments.push_back({.group = chunk.groups,
                          .groups = part.size(),
                          .leaf = leaves,
                          .first = i == 0,
                          .last = i + 1 == parts});
      chunk.groups += part.size();
      chunk.segment_end += 1;
      for (int64_t g = part.begin; g < part.end; ++g)
        groups.push_back({.row_begin = leaf.row_begin + g * group,
                          .rows = std::min(group, leaf.rows - g * group),
                          .chunk = std::ssize(chunks) - 1});
    }
    leaves += 1;
  }

  int64_t group;  // tokens of one
  std::vector<Group> groups;
  std::vector<Segment> segments;
  std::vector<Chunk> chunks;
  int64_t leaves = 0;
};

// The channels of one operand are the rows of tiles, those of the other their panels. A product of two channels has the
// same bits either way, and packing rows costs several times what panels cost, so the narrower operand has the rows.
// Blocks of rows come one after the other; in each, (panel block, row block) items are divided between threads.
struct Plan {
  Plan(const LinearWeightGradArgs& args, const Tokens& tokens, const LinearTile& tile, int threads);

  bool transposed;  // rows are those of x: tiles are blocks of grad^T
  Operand rows, columns;
  int64_t panels;
  int64_t blocks;
  int64_t panel_blocks;    // balanced
  int64_t row_blocks;      // of whole row tiles, at most
  int64_t rows_bytes;      // all rows of a block, packed
  int64_t sums_bytes;      // of an item
  int64_t acc_bytes;       // of an item
  int64_t leaves_bytes;    // of a tile
  int64_t wide_bytes;      // of an item
  int64_t expanded_bytes;  // a chunk's columns of an item
  int64_t share_bytes() const { return sums_bytes + acc_bytes + leaves_bytes + wide_bytes + expanded_bytes; }
};

Plan::Plan(const LinearWeightGradArgs& args, const Tokens& tokens, const LinearTile& tile, int threads) {
  const Operand dy = {args.dy, args.dy_stride, args.n}, x = {args.x, args.x_stride, args.k};
  transposed = args.k < args.n;
  rows = transposed ? x : dy;
  columns = transposed ? dy : x;
  const int64_t row_bytes = std::max<int64_t>(1, tokens.size() * tokens.group * tile.row_bytes);
  blocks = ceil_div(rows.channels, std::clamp(kPackedBytes / row_bytes, kRowsOfBlockMin, kRowsOfBlock));
  const int64_t rows_of_block = ceil_div(rows.channels, blocks);
  panels = ceil_div(columns.channels, kPanel);
  panel_blocks = ceil_div(panels, tile.panels_max);
  // As in linear(): few blocks, as many for each thread; on wide machines rows are divided as well.
  if (panel_blocks < 8 * threads) panel_blocks = std::min(ceil_div(panel_blocks, threads) * threads, panels);
  const int64_t row_tiles = ceil_div(rows_of_block, tile.rows_max);
  const int64_t wanted = threads == 1 ? 1 : ceil_div(4 * threads, panel_blocks);
  row_blocks = std::clamp<int64_t>(wanted, 1, ceil_div(row_tiles, 4));

  const int64_t width = tile.panels_max * kPanel;
  const int64_t sums = ceil_div(row_tiles, row_blocks) * tile.rows_max * width;
  rows_bytes = align_up(rows_of_block * row_bytes) + kLinearOverread;
  sums_bytes = sums / GridHalves::kLanes * static_cast<int64_t>(sizeof(GridHalves));
  acc_bytes = sums * static_cast<int64_t>(sizeof(float));
  leaves_bytes = GridKernels::kLeavesOfAdd * tile.rows_max * width * static_cast<int64_t>(sizeof(float));
  wide_bytes = std::max(sums, kMergeRows * width) * static_cast<int64_t>(sizeof(int64_t));
  expanded_bytes = align_up(width * tile.k_chunk * static_cast<int64_t>(sizeof(bf16)));
  if (tile.weight_bytes != 0) expanded_bytes = align_up(tile.panels_max * tile.k_chunk * tile.weight_bytes);
}

class Run {
 public:
  Run(Queue& queue, const LinearWeightGradArgs& args, const LinearKernels& kernels, const GridKernels& grid)
      : args_(args),
        tile_(kernels.tokens),
        grid_(grid),
        mode_(kernels.mode),
        tokens_(args.sequences, tile_),
        plan_(args, tokens_, tile_, queue.pool().threads()) {
    packed_ =
        queue.scratch(static_cast<size_t>(plan_.rows_bytes + queue.pool().threads() * plan_.share_bytes()));
    shares_ = packed_ + plan_.rows_bytes;
  }

  bool overflow() const { return overflow_; }
  int64_t blocks() const { return tokens_.size() == 0 ? 0 : plan_.blocks; }
  void begin_block(int64_t block) {
    const Range range(plan_.rows.channels, plan_.blocks, block);
    block_begin_ = range.begin;
    rows_ = range.size();
    row_tiles_ = ceil_div(rows_, tile_.rows_max);
    tile_begin_.clear();
    for (int64_t t = 0; t <= row_tiles_; ++t) tile_begin_.push_back(rows_ * t / row_tiles_);
    row_blocks_ = std::min(plan_.row_blocks, row_tiles_);
  }
  int64_t groups() const { return tokens_.size(); }
  int64_t group() const { return tokens_.group; }
  void pack(int64_t index) const;
  int64_t items() const { return plan_.panel_blocks * row_blocks_; }
  void compute(int64_t item, int share);
  void add_bias(int64_t panel);

 private:
  // Where one item keeps its part of the work.
  struct Item {
    Range panels;
    Range tiles;
    Range rows;              // of the block
    int64_t column;          // the first
    int64_t columns;         // that exist, at most width
    int64_t width;           // of sums and acc: 16 panels
    GridHalves* sums;        // [rows, width]
    float* acc;              // [rows, width], of leaves that are cut
    float* leaves;           // [kLeavesOfAdd, rows of a tile, width]: whole leaves, which wait to be added together
    int64_t* wide;           // [rows, width]: what sums do not hold; without is_wide space to merge kMergeRows of them
    std::byte* panels_data;  // of a chunk: expanded, or packed as they are
    bool is_wide = false;    // wide has values
  };

  Range rows_of(int64_t tile) const { return {tile_begin_[tile], tile_begin_[tile + 1]}; }
  // Packed rows: [chunks, row tiles, groups of the chunk, rows of the tile, group()]
  std::byte* packed_rows(const Chunk& chunk, int64_t row_begin) const {
    return packed_ + (rows_ * chunk.group_begin + row_begin * chunk.groups) * group() * tile_.row_bytes;
  }
  // Of one token in a panel of Item::panels_data.
  int64_t token_bytes() const {
    return tile_.weight_bytes != 0 ? tile_.weight_bytes : kPanel * static_cast<int64_t>(sizeof(bf16));
  }
  void expand(const Chunk& chunk, const Item& item) const;
  void expand_group(const TokenGroup& group, std::byte* out) const;
  GridHalves* sums_of(const Item& item, const Range& rows) const {
    return item.sums + (rows.begin - item.rows.begin) * item.width / GridHalves::kLanes;
  }
  int64_t* wide_of(Item& item, const Range& rows) const;
  bool run_tile(const Chunk& chunk, Item& item, const Range& rows) const;
  bool merge(const Item& item, const Range& rows) const;
  bool merge_transposed(const Item& item, const Range& rows, const int64_t* wide) const;
  // Inlined, because GCC 12 deletes calls of functions that do nothing but prefetch.
  [[gnu::always_inline]] inline void prefetch_tokens(const Chunk& chunk, const Item& item, int64_t begin,
                                                     int64_t end) const;
  class GradLines;

  const LinearWeightGradArgs& args_;
  const LinearTile tile_;
  const GridKernels grid_;
  const LinearMode mode_;
  const Tokens tokens_;
  const Plan plan_;
  std::byte* packed_;
  std::byte* shares_;
  std::atomic<bool> overflow_ = false;
  // The block of rows at work.
  int64_t block_begin_ = 0, rows_ = 0, row_tiles_ = 0, row_blocks_ = 0;
  std::vector<int64_t> tile_begin_;  // [row_tiles_ + 1], nearly equal
};

// One group of tokens, all rows of the block.
void Run::pack(int64_t index) const {
  const Group& tokens = tokens_.groups[index];
  const Chunk& chunk = tokens_.chunks[tokens.chunk];
  const bf16* values = plan_.rows.values + tokens.row_begin * plan_.rows.stride + block_begin_;
  alignas(64) bf16 columns[kTilesOfPack * kTileMax * kTileMax];  // [rows of the tiles, group()]
  for (int64_t first = 0; first < row_tiles_; first += kTilesOfPack) {
    const int64_t last = std::min(first + kTilesOfPack, row_tiles_);
    const int64_t begin = tile_begin_[first];
    for (int64_t t = 0; t < group(); t += kHalf)
      transpose_tokens({.values = values + begin + std::min(t, tokens.rows) * plan_.rows.stride,
                        .stride = plan_.rows.stride,
                        .rows = std::clamp<int64_t>(tokens.rows - t, 0, kHalf),
                        .columns = tile_begin_[last] - begin},
                       columns + t, group());
    for (int64_t t = first; t < last; ++t) {
      const int64_t at = tile_begin_[t], rows = tile_begin_[t + 1] - at;
      tile_.pack_rows(
          {.x = columns + (at - begin) * group(),
           .x_stride = group(),
           .k = group(),
           .rows = rows,
           .out = packed_rows(chunk, at) + (index - chunk.group_begin) * rows * group() * tile_.row_bytes});
    }
  }
}

// The chunk's tokens of the item's columns, in the form that the tile reads.
void Run::expand(const Chunk& chunk, const Item& item) const {
  const int64_t panel_bytes = chunk.groups * group() * token_bytes();
  for (int64_t at = 0; at < chunk.groups * group(); at += kHalf) {
    const Group& tokens = tokens_.groups[chunk.group_begin + at / group()];
    const int64_t begin = std::min(at % group(), tokens.rows);
    // All panels of a row together: its cache lines may not survive until the next one, because rows that lie a
    // multiple of 1 KiB apart share few sets of the L1 cache.
    const TokenGroup group = {
        .values = plan_.columns.values + (tokens.row_begin + begin) * plan_.columns.stride + item.column,
        .stride = plan_.columns.stride,
        .rows = std::min(kHalf, tokens.rows - begin),
        .columns = item.columns};
    std::byte* out = item.panels_data + at * token_bytes();
    if (tile_.weight_bytes == kPanel * static_cast<int64_t>(sizeof(float))) {  // fp32 as it is
      grid_.widen(group, reinterpret_cast<float*>(out), panel_bytes / static_cast<int64_t>(sizeof(float)));
      continue;
    }
    for (int64_t c = 0; c < item.columns; c += kPanel, out += panel_bytes) {
      TokenGroup panel = group;
      panel.values += c;
      panel.columns = std::min(kPanel, item.columns - c);
      expand_group(panel, out);
    }
  }
}

void Run::expand_group(const TokenGroup& group, std::byte* out) const {
  if (tile_.weight_bytes == 0) return interleave_tokens(group, reinterpret_cast<bf16*>(out));
  alignas(64) bf16 lines[kHalf * kPanel];
  interleave_tokens(group, lines);
  tile_.expand(lines, kHalf, out);
}

// The lines of grad that an item adds to, one after the other.
class Run::GradLines {
 public:
  // Enough for all of them in `calls` calls of prefetch().
  GradLines(const Run& run, const Item& item, int64_t calls) : stride_(run.args_.k) {
    const int64_t row = run.block_begin_ + item.rows.begin;
    const bool transposed = run.plan_.transposed;
    next_ = run.args_.grad + (transposed ? item.column * stride_ + row : row * stride_ + item.column);
    rows_ = transposed ? item.columns : item.rows.size();
    columns_ = transposed ? item.rows.size() : item.columns;
    count_ = ceil_div(rows_ * ceil_div(columns_, kLine), calls);
  }
  [[gnu::always_inline]] void prefetch() {
    for (int64_t i = 0; i < count_ && rows_ > 0; ++i) {
      _mm_prefetch(next_ + column_, _MM_HINT_T1);
      column_ += kLine;
      if (column_ < columns_) continue;
      column_ = 0;
      next_ += stride_;
      rows_ -= 1;
    }
  }

 private:
  static constexpr int64_t kLine = 8;
  int64_t stride_, rows_, columns_, count_;
  const int64_t* next_;  // the row
  int64_t column_ = 0;
};

// Tokens [begin, end) of a chunk, in the item's columns.
void Run::prefetch_tokens(const Chunk& chunk, const Item& item, int64_t begin, int64_t end) const {
  for (int64_t t = begin; t < end; ++t) {
    const Group& tokens = tokens_.groups[chunk.group_begin + t / group()];
    const int64_t token = tokens.row_begin + std::min(t % group(), tokens.rows - 1);
    const bf16* values = plan_.columns.values + token * plan_.columns.stride + item.column;
    _mm_prefetch(values, _MM_HINT_T1);
    _mm_prefetch(values + item.columns - 1, _MM_HINT_T1);
  }
}

void Run::compute(int64_t index, int share) {
  const Range panels(plan_.panels, plan_.panel_blocks, index / row_blocks_);
  const Range tiles(row_tiles_, row_blocks_, index % row_blocks_);
  const int64_t column = panels.begin * kPanel, width = panels.size() * kPanel;
  const Range rows = {tile_begin_[tiles.begin], tile_begin_[tiles.end]};
  std::byte* scratch = shares_ + share * plan_.share_bytes();
  Item item = {.panels = panels,
               .tiles = tiles,
               .rows = rows,
               .column = column,
               .columns = std::min(width, plan_.columns.channels - column),
               .width = width,
               .sums = reinterpret_cast<GridHalves*>(scratch),
               .acc = reinterpret_cast<float*>(scratch + plan_.sums_bytes),
               .leaves = reinterpret_cast<float*>(scratch + plan_.sums_bytes + plan_.acc_bytes),
               .wide = reinterpret_cast<int64_t*>(scratch + plan_.share_bytes() - plan_.expanded_bytes -
                                                  plan_.wide_bytes),
               .panels_data = scratch + plan_.share_bytes() - plan_.expanded_bytes};
  GridHalves zero{};
  std::fill_n(zero.high, GridHalves::kLanes, GridHalves::kAnchor);
  std::fill_n(item.sums, rows.size() * width / GridHalves::kLanes, zero);
  bool overflow = false;
  {
    const LinearModeScope scope(mode_);
    const int64_t chunks = std::ssize(tokens_.chunks), last_chunks = std::min(chunks, kPrefetchChunks);
    GradLines grad(*this, item, last_chunks * tiles.size());
    for (int64_t c = 0; c < chunks; ++c) {
      expand(tokens_.chunks[c], item);
      // What comes next is prefetched tile by tile, few lines at a time: a core has some 16 misses in flight, and the
      // FMAs behind more of them would wait.
      const Chunk& next = tokens_.chunks[std::min(c + 1, chunks - 1)];
      const int64_t tokens = c + 1 < chunks ? next.groups * group() : 0;
      const int64_t share = ceil_div(tokens, tiles.size());
      int64_t token = 0;
      for (int64_t t = tiles.begin; t < tiles.end; ++t, token += share) {
        if (c >= chunks - last_chunks) grad.prefetch();
        prefetch_tokens(next, item, token, std::min(token + share, tokens));
        overflow |= run_tile(tokens_.chunks[c], item, rows_of(t));
      }
    }
  }
  for (int64_t r = rows.begin; r < rows.end; r += kMergeRows)
    overflow |= merge(item, {r, std::min(r + kMergeRows, rows.end)});
  if (overflow) overflow_ = true;
}

// The chunk's leaves, or parts of them, for one tile of rows. Several leaves are added to the sums together: these come
// from the L2 cache, and the leaves have not left the L1 cache yet.
bool Run::run_tile(const Chunk& chunk, Item& item, const Range& rows) const {
  const int64_t at = (rows.begin - item.rows.begin) * item.width, values = rows.size() * item.width;
  const int64_t group_bytes = group() * token_bytes();
  const std::byte* x = packed_rows(chunk, rows.begin);
  GridHalves* sums = sums_of(item, rows);
  int64_t waiting = 0;
  bool overflow = false;
  for (int64_t s = chunk.segment_begin; s < chunk.segment_end; ++s) {
    const Segment& segment = tokens_.segments[s];
    const bool whole = segment.first && segment.last;
    float* acc = whole ? item.leaves + waiting * values : item.acc + at;
    tile_.run({.x = x + segment.group * group() * rows.size() * tile_.row_bytes,
               .weights = item.panels_data + segment.group * group_bytes,
               .weight_stride = chunk.groups * group_bytes,
               .k = segment.groups * group(),
               .acc = acc,
               .acc_stride = item.width,
               .rows = static_cast<int>(rows.size()),
               .panels = static_cast<int>(item.panels.size()),
               .first = segment.first});
    if (!segment.last) continue;
    if (!grid_.fits(acc, values)) [[unlikely]]
      overflow |= grid_.add_wide(acc, values, wide_of(item, rows));
    else if (whole)
      waiting += 1;
    else
      grid_.add(acc, 1, values, sums);
    const bool carry = (segment.leaf + 1) % GridHalves::kAdds == 0;
    if (waiting == GridKernels::kLeavesOfAdd || carry) {
      grid_.add(item.leaves, waiting, values, sums);
      waiting = 0;
    }
    if (carry && !grid_.carry(sums, values)) [[unlikely]]
      grid_.take(sums, values, wide_of(item, rows));
    if (item.is_wide && (segment.leaf + 1) % kGridTile == 0)
      overflow |= grid_.check(wide_of(item, rows), values);
  }
  grid_.add(item.leaves, waiting, values, sums);
  return overflow;
}

int64_t* Run::wide_of(Item& item, const Range& rows) const {
  if (!item.is_wide) std::fill_n(item.wide, item.rows.size() * item.width, 0);
  item.is_wide = true;
  return item.wide + (rows.begin - item.rows.begin) * item.width;
}

// At most kMergeRows.
bool Run::merge(const Item& item, const Range& rows) const {
  const int64_t values = rows.size() * item.width;
  int64_t* wide = item.wide + (item.is_wide ? (rows.begin - item.rows.begin) * item.width : 0);
  if (!item.is_wide) std::fill_n(wide, values, 0);
  grid_.take(sums_of(item, rows), values, wide);
  if (plan_.transposed) return merge_transposed(item, rows, wide);
  bool overflow = false;
  for (int64_t r = 0; r < rows.size(); ++r)
    overflow |= grid_.merge(wide + r * item.width, item.columns,
                            args_.grad + (block_begin_ + rows.begin + r) * args_.k + item.column);
  return overflow;
}

// Rows of wide are columns of grad: blocks of 64 by 8 change places first.
bool Run::merge_transposed(const Item& item, const Range& rows, const int64_t* wide) const {
  bool overflow = false;
  alignas(64) int64_t block[8][kMergeRows];
  const int64_t count = rows.size();
  for (int64_t c = 0; c < item.columns; c += 8) {
    grid_.transpose(wide + c, item.width, count, block[0], kMergeRows);
    for (int64_t j = 0; j < std::min<int64_t>(8, item.columns - c); ++j)
      overflow |= grid_.merge(block[j], count,
                              args_.grad + (item.column + c + j) * args_.k + block_begin_ + rows.begin);
  }
  return overflow;
}

// Columns [16 c, 16 c + 16) of dy.
void Run::add_bias(int64_t c) {
  const int64_t columns = std::min(kPanel, args_.n - c * kPanel);
  alignas(64) int64_t sums[kPanel] = {};
  bool overflow = false;
  for (const SequenceRows& sequence : args_.sequences)
    for (int64_t t = 0; t < sequence.rows; t += kGridTile) {
      overflow |=
          grid_.add_rows(args_.dy + (sequence.row_begin + t) * args_.dy_stride + c * kPanel, args_.dy_stride,
                         std::min<int64_t>(kGridTile, sequence.rows - t), columns, sums);
      overflow |= grid_.check(sums, kPanel);
    }
  overflow |= grid_.merge(sums, columns, args_.grad_bias + c * kPanel);
  if (overflow) overflow_ = true;
}

}  // namespace

void linear_weight_grad_tiled(Queue& queue, const LinearWeightGradArgs& args, const LinearKernels& kernels,
                              const GridKernels& grid) {
  Run run(queue, args, kernels, grid);
  for (int64_t block = 0; block < run.blocks(); ++block) {
    run.begin_block(block);
    queue.pool().parallel_for(run.groups(), [&](int64_t begin, int64_t end, int) {
      for (int64_t group = begin; group < end; ++group) run.pack(group);
    });
    queue.pool().parallel_for(run.items(), [&](int64_t begin, int64_t end, int share) {
      for (int64_t item = begin; item < end; ++item) run.compute(item, share);
    });
  }
  if (args.grad_bias != nullptr)
    queue.pool().parallel_for(ceil_div(args.n, kPanel), [&](int64_t begin, int64_t end, int) {
      for (int64_t c = begin; c < end; ++c) run.add_bias(c);
    });
  if (run.overflow()) *args.overflow = true;
}

}  // namespace invar
