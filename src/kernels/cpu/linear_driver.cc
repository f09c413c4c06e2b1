#include "kernels/cpu/linear_driver.h"

#include <algorithm>

#include "kernels/cpu/linear_mode.h"
#include "kernels/cpu/linear_plan.h"

namespace invar {
namespace {

constexpr int64_t kPanel = PackedWeight::kPanel;
// Of a block of rows: its packed activations, which all panels read, and its accumulators stay in the L2 cache.
constexpr int64_t kRowsOfBlock = 512;
constexpr int64_t kRowsOfBlockMin = 128;  // fewer would read the weights too often
constexpr int64_t kPackedBytesOfBlock = int64_t{1} << 20;

// How one call is cut. Items are (panel block, row block) pairs.
struct Plan {
  Plan(const LinearArgs& args, const LinearTile& tile, int threads);

  int64_t k_chunk;
  int64_t row_tiles;      // balanced: 9 rows in tiles of at most 8 are 5 and 4
  int64_t panel_blocks;   // balanced too
  int64_t row_blocks;     // of whole row tiles
  int64_t packed_bytes;   // all packed activations
  int64_t acc_bytes;      // accumulators of an item
  int64_t weights_bytes;  // expanded weights of a chunk
  int64_t scratch_bytes(int threads) const { return packed_bytes + threads * (acc_bytes + weights_bytes); }
};

Plan::Plan(const LinearArgs& args, const LinearTile& tile, int threads) {
  const PackedWeight& weight = *args.weight;
  k_chunk = align_to(weight.k_padded(), tile.k_group);
  if (tile.k_chunk != 0)  // nearly equal chunks
    k_chunk = align_to(ceil_div(k_chunk, ceil_div(k_chunk, tile.k_chunk)), tile.k_group);
  row_tiles = ceil_div(args.rows, tile.rows_max);
  panel_blocks = ceil_div(weight.panels(), tile.panels_max);
  // Few blocks: as many for each thread.
  if (panel_blocks < 8 * threads)
    panel_blocks = std::min(ceil_div(panel_blocks, threads) * threads, weight.panels());
  // Wide machines and narrow weights: rows are divided as well, down to a few tiles an item.
  const int64_t wanted = threads == 1 ? 1 : ceil_div(4 * threads, panel_blocks);
  const int64_t rows_of_block =
      std::clamp(kPackedBytesOfBlock / (weight.k_padded() * tile.row_bytes), kRowsOfBlockMin, kRowsOfBlock);
  row_blocks = std::max(ceil_div(args.rows, rows_of_block), std::min(wanted, ceil_div(row_tiles, 4)));
  const int64_t rows_of_item = ceil_div(row_tiles, row_blocks) * tile.rows_max;
  packed_bytes =
      align_up(args.rows * align_to(weight.k_padded(), tile.k_group) * tile.row_bytes) + kLinearOverread;
  acc_bytes = align_up(rows_of_item * tile.panels_max * kPanel * static_cast<int64_t>(sizeof(float)));
  weights_bytes = align_up(tile.panels_max * k_chunk * tile.weight_bytes);
}

class Run {
 public:
  Run(Queue& queue, const LinearArgs& args, const LinearTile& tile, const LinearKernels& kernels)
      : args_(args),
        weight_(*args.weight),
        tile_(tile),
        mode_(kernels.mode),
        store_(kernels.store),
        plan_(args, tile, queue.pool().threads()) {
    packed_ = queue.scratch(static_cast<size_t>(plan_.scratch_bytes(queue.pool().threads())));
    shares_ = packed_ + plan_.packed_bytes;
  }

  void pack(int64_t row_tile) const {
    const Range rows = rows_of(row_tile);
    for (int64_t k = 0; k < weight_.k; k += plan_.k_chunk)
      tile_.pack_rows({.x = args_.x + rows.begin * args_.x_stride + k,
                       .x_stride = args_.x_stride,
                       .k = std::min(plan_.k_chunk, weight_.k - k),
                       .rows = rows.size(),
                       .out = packed_rows(rows.begin, k)});
  }

  int64_t row_tiles() const { return plan_.row_tiles; }
  int64_t items() const { return plan_.panel_blocks * plan_.row_blocks; }

  void compute(int64_t item, int share) const {
    // Panels in the inner loop: a row block's packed activations stay in the L2 cache.
    const Range panels(weight_.panels(), plan_.panel_blocks, item % plan_.panel_blocks);
    const Range tiles(plan_.row_tiles, plan_.row_blocks, item / plan_.panel_blocks);
    std::byte* scratch = shares_ + share * (plan_.acc_bytes + plan_.weights_bytes);
    float* acc = reinterpret_cast<float*>(scratch);
    {
      const LinearModeScope scope(mode_);
      for (int64_t k = 0; k < weight_.k_padded(); k += plan_.k_chunk)
        chunk(k, panels, tiles, acc, scratch + plan_.acc_bytes);
    }
    if (!stores_tiles()) store(panels, {rows_of(tiles.begin).begin, rows_of(tiles.end - 1).end}, acc);
  }

 private:
  Range rows_of(int64_t row_tile) const { return Range(args_.rows, plan_.row_tiles, row_tile); }
  // Outputs are stored tile by tile, while they are in the L1 cache; not in a mode that would flush them.
  bool stores_tiles() const { return mode_ != LinearMode::kFlush; }

  void store(const Range& panels, const Range& rows, const float* acc) const {
    const int64_t n_begin = panels.begin * kPanel;
    store_({.bias = args_.bias,
            .out_bf16 = args_.out_bf16,
            .out_f32 = args_.out_f32,
            .stride = args_.out_stride},
           {.acc = acc,
            .acc_stride = panels.size() * kPanel,
            .row_begin = rows.begin,
            .rows = rows.size(),
            .n_begin = n_begin,
            .outputs = std::min(panels.end * kPanel, weight_.n) - n_begin});
  }

  int64_t chunk_size(int64_t k) const { return std::min(plan_.k_chunk, weight_.k_padded() - k); }

  // Packed activations lie chunk by chunk, [chunks, rows, chunk size], so that a pass over the rows is one stream.
  std::byte* packed_rows(int64_t row_begin, int64_t k) const {
    return packed_ + (args_.rows * k + row_begin * align_to(chunk_size(k), tile_.k_group)) * tile_.row_bytes;
  }

  // One chunk of k for all row tiles of an item: every chain goes on from acc.
  void chunk(int64_t k, const Range& panels, const Range& tiles, float* acc, std::byte* expanded) const {
    const int64_t size = chunk_size(k);
    const bf16* packed = weight_.panel(panels.begin) + k * kPanel;
    const int64_t packed_stride = kPanel * weight_.k_padded();
    LinearTileArgs call = {.weights = reinterpret_cast<const std::byte*>(packed),
                           .weight_stride = packed_stride * static_cast<int64_t>(sizeof(bf16)),
                           .k = size,
                           .acc = acc,
                           .acc_stride = panels.size() * kPanel,
                           .panels = static_cast<int>(panels.size()),
                           .first = k == 0};
    if (tile_.weight_bytes != 0) {
      call.weights = expanded;
      call.weight_stride = size * tile_.weight_bytes;
      for (int64_t p = 0; p < panels.size(); ++p)
        tile_.expand(packed + p * packed_stride, size, expanded + p * call.weight_stride);
    }
    for (int64_t t = tiles.begin; t < tiles.end; ++t) {
      const Range rows = rows_of(t);
      const bool last = k + size == weight_.k_padded();
      call.x = packed_rows(rows.begin, k);
      call.rows = static_cast<int>(rows.size());
      if (last && tiles.size() > 1) prefetch_output(rows, panels.begin * kPanel);
      tile_.run(call);
      const bool stored = last && stores_tiles();
      if (stored) store(panels, rows, call.acc);
      if (!(stored && call.first)) call.acc += rows.size() * call.acc_stride;  // one chunk: the next tile's as well
    }
  }

  // Output rows lie far apart, a few lines each: their misses pass while the tile is computed.
  // Inlined, because GCC 12 deletes calls of functions that do nothing but prefetch.
  [[gnu::always_inline]] void prefetch_output(const Range& rows, int64_t n) const {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t at = r * args_.out_stride + n;
      const std::byte* line = args_.out_bf16 != nullptr
                                  ? reinterpret_cast<const std::byte*>(args_.out_bf16 + at)
                                  : reinterpret_cast<const std::byte*>(args_.out_f32 + at);
      const int lines = args_.out_bf16 != nullptr ? 2 : 4;  // of 48 outputs
      for (int i = 0; i < lines; ++i) __builtin_prefetch(line + 64 * i, 1);
    }
  }

  const LinearArgs& args_;
  const PackedWeight& weight_;
  const LinearTile& tile_;
  LinearMode mode_;
  void (*store_)(const LinearOutput&, const LinearBlock&);
  Plan plan_;
  std::byte* packed_;
  std::byte* shares_;
};

}  // namespace

void linear_tiled(Queue& queue, const LinearArgs& args, const LinearKernels& kernels) {
  const LinearTile& tile = args.rows <= kernels.few.rows_max ? kernels.few : kernels.many;
  const Run run(queue, args, tile, kernels);
  queue.pool().parallel_for(run.row_tiles(), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) run.pack(t);
  });
  queue.pool().parallel_for(run.items(), [&](int64_t begin, int64_t end, int share) {
    for (int64_t item = begin; item < end; ++item) run.compute(item, share);
  });
}

}  // namespace invar
