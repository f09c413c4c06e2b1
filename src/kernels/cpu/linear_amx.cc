// Tier amx of linear(), profile amx32: tdpbf16ps on 16 rows by 16 outputs by 32 k.
//
// These functions run with tiles configured: linear_driver.cc sets the mode around their calls.
#include <immintrin.h>

#include <algorithm>

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/linear_kernels.h"

namespace invar {
namespace {

constexpr int64_t kSize = 16;  // rows, and outputs, of a tile
constexpr int64_t kTileK = 32;
constexpr int64_t kRowBytes = 64;  // of a tile
constexpr int64_t kTileBytes = kSize * kRowBytes;

// out [k / 32, rows, 32], k padded with zeros.
void pack_rows(const LinearPackArgs& args) {
  __m512i* out = reinterpret_cast<__m512i*>(args.out);
  for (int64_t k = 0; k < args.k; k += kTileK) {
    const auto lanes = static_cast<__mmask32>((uint64_t{1} << std::min<int64_t>(kTileK, args.k - k)) - 1);
    for (int64_t r = 0; r < args.rows; ++r)
      _mm512_store_si512(out++, _mm512_maskz_loadu_epi16(lanes, args.x + r * args.x_stride + k));
  }
}

// A block of kRowTiles x kPanels tiles in the tile registers from 0 on, in row-major order; then one register for each
// row tile's activations, then the weights' as many as are left.
template <int kRowTiles, int kPanels>
struct Block {
  static constexpr int kAccTiles = kRowTiles * kPanels;
  static constexpr int kWeights = 8 - kAccTiles - kRowTiles;  // registers
  static_assert(kWeights >= 1);
  template <int kR, int kP>
  static constexpr int kAcc = kR* kPanels + kP;
  template <int kR>
  static constexpr int kX = kAccTiles + kR;
  template <int kP>
  static constexpr int kW = kAccTiles + kRowTiles + kP % kWeights;

  // Calls body.template operator()<i>() for i in [0, kCount).
  template <int kCount, int kI = 0, class Body>
  [[gnu::always_inline]] static void each(const Body& body) {
    if constexpr (kI < kCount) {
      body.template operator()<kI>();
      each<kCount, kI + 1>(body);
    }
  }

  // x: the rows' group of 32 k; w: the first panel's. All loads come first where the registers are enough for that.
  [[gnu::always_inline]] static void group(const std::byte* x, const std::byte* w, int64_t panel_stride) {
    constexpr bool kLoadsFirst = kPanels <= kWeights;
    each<kRowTiles>([&]<int kR>() { tile_load<kX<kR>>(x + kR * kTileBytes, kRowBytes); });
    if constexpr (kLoadsFirst)
      each<kPanels>([&]<int kP>() { tile_load_once<kW<kP>>(w + kP * panel_stride, kRowBytes); });
    each<kPanels>([&]<int kP>() {
      if constexpr (!kLoadsFirst) tile_load_once<kW<kP>>(w + kP * panel_stride, kRowBytes);
      each<kRowTiles>([&]<int kR>() { tile_dot<kAcc<kR, kP>, kX<kR>, kW<kP>>(); });
    });
  }

  // The last 16 k of a chain, padded with zeros.
  static void half_group(const std::byte* x, const std::byte* w, int64_t panel_stride) {
    alignas(64) std::byte padded[kPanels * kTileBytes] = {};
    for (int p = 0; p < kPanels; ++p)
      __builtin_memcpy(padded + p * kTileBytes, w + p * panel_stride, kTileBytes / 2);
    group(x, padded, kTileBytes);
  }

  static int64_t rows_of(const LinearTileArgs& args, int row_tile) {
    return std::min<int64_t>(kSize, args.rows - kSize * row_tile);
  }

  static void load_acc(const LinearTileArgs& args) {
    if (args.first) return each<kAccTiles>([&]<int kI>() { tile_zero<kI>(); });
    each<kAccTiles>([&]<int kI>() {
      const float* acc = args.acc + kI / kPanels * kSize * args.acc_stride + kI % kPanels * kSize;
      const int64_t rows = rows_of(args, kI / kPanels);
      if (rows == kSize) return tile_load<kI>(acc, args.acc_stride * static_cast<int64_t>(sizeof(float)));
      alignas(64) float tile[kSize * kSize] = {};
      for (int64_t r = 0; r < rows; ++r)
        _mm512_store_ps(tile + r * kSize, _mm512_load_ps(acc + r * args.acc_stride));
      tile_load<kI>(tile, kRowBytes);
    });
  }

  static void store_acc(const LinearTileArgs& args) {
    each<kAccTiles>([&]<int kI>() {
      float* acc = args.acc + kI / kPanels * kSize * args.acc_stride + kI % kPanels * kSize;
      const int64_t rows = rows_of(args, kI / kPanels);
      if (rows == kSize) return tile_store<kI>(acc, args.acc_stride * static_cast<int64_t>(sizeof(float)));
      alignas(64) float tile[kSize * kSize];
      tile_store<kI>(tile, kRowBytes);
      for (int64_t r = 0; r < rows; ++r)
        _mm512_store_ps(acc + r * args.acc_stride, _mm512_load_ps(tile + r * kSize));
    });
  }

  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    load_acc(args);
    const std::byte* x = args.x;
    const std::byte* w = args.weights;
    const int64_t x_step = args.rows * kRowBytes;
    int64_t k = 0;
    for (; k + kTileK <= args.k; k += kTileK, x += x_step, w += kTileBytes) group(x, w, args.weight_stride);
    if (k < args.k) half_group(x, w, args.weight_stride);
    store_acc(args);
  }
};

// Panels are cut into blocks of at most kPanels, of one or two row tiles.
template <int kRowTiles, int kPanels>
void run_panels(const LinearTileArgs& args) {
  if (args.panels == kPanels) return Block<kRowTiles, kPanels>::run(args);
  if constexpr (kPanels > 1) return run_panels<kRowTiles, kPanels - 1>(args);
}

void run_few(const LinearTileArgs& args) { run_panels<1, 4>(args); }

// Two panels at a time, so that the rows stay in the L1 cache.
void run_many(const LinearTileArgs& args) {
  LinearTileArgs pair = args;
  for (int p = 0; p < args.panels; p += 2) {
    pair.panels = std::min(2, args.panels - p);
    pair.weights = args.weights + p * args.weight_stride;
    pair.acc = args.acc + p * kSize;
    if (args.rows <= kSize)
      run_panels<1, 2>(pair);
    else
      run_panels<2, 2>(pair);
  }
}

constexpr LinearTile tile(int rows_max, int panels_max, int64_t k_chunk, void (*run)(const LinearTileArgs&)) {
  return {.rows_max = rows_max,
          .panels_max = panels_max,
          .k_chunk = k_chunk,
          .k_group = kTileK,
          .row_bytes = 2,
          .weight_bytes = 0,
          .pack_rows = pack_rows,
          .expand = nullptr,
          .run = run};
}

constexpr LinearTile kFew = tile(kSize, 4, 0, run_few);
constexpr LinearTile kMany =
    tile(2 * kSize, 8, 640, run_many);  // a row's outputs are a few neighbouring lines
// Few panels and tokens: every leaf's accumulators are added to 64-bit sums, which should stay in the caches.
constexpr LinearTile kTokens = tile(2 * kSize, 4, 256, run_many);

}  // namespace

LinearKernels linear_amx32_amx() {
  return {
      .mode = LinearMode::kAmx, .few = kFew, .many = kMany, .tokens = kTokens, .store = linear_store_avx512};
}

}  // namespace invar
