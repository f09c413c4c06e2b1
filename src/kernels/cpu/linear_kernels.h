// What an instruction-set tier supplies for linear(): tiles. linear_driver.cc owns blocking, threads, the flush of
// NUM-P2 and the epilogue, so a tier is arithmetic alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

// One call of a tile: acc[r, n] continues its chain over k for `rows` rows and 16 `panels` outputs.
struct LinearTileArgs {
  const std::byte* x;  // [k / k_group, rows] groups, as pack_rows wrote them
  const std::byte*
      weights;  // [panels], weight_stride bytes apart: packed panels, or what expand made of them
  int64_t weight_stride;
  int64_t k;   // a multiple of 16
  float* acc;  // [rows, panels * 16], rows acc_stride apart, 64-byte aligned
  int64_t acc_stride;
  int rows;
  int panels;
  bool first;  // the chain starts here, at +0; acc is written only
};

// Rows of activations to be packed for a tile, group by group: out [k_padded / k_group, rows].
struct LinearPackArgs {
  const bf16* x;  // [rows, k], rows x_stride apart
  int64_t x_stride;
  int64_t k;  // any; padded with zeros to a multiple of k_group
  int64_t rows;
  std::byte* out;
};

struct LinearTile {
  int rows_max;      // rows of a tile, at least 1
  int panels_max;    // panels of a tile, at least 1
  int64_t k_chunk;   // k of a call at most, a multiple of k_group; 0: the whole chain
  int k_group;       // 16 or 32: rows are packed, and tokens of a gradient padded, in groups of so many k
  int row_bytes;     // packed bytes of one activation
  int weight_bytes;  // expanded bytes of one k of a panel; 0: tiles read the packed panel itself
  void (*pack_rows)(const LinearPackArgs& args);
  void (*expand)(const bf16* panel, int64_t k, std::byte* out);  // one panel, or a part of it from a group on
  void (*run)(const LinearTileArgs& args);
};

// Where the outputs of a call go: one of the two is set.
struct LinearOutput {
  const float* bias;  // [N] or null
  bf16* out_bf16;     // [rows, N], rows `stride` apart
  float* out_f32;
  int64_t stride;
};

// A block of finished chains.
struct LinearBlock {
  const float* acc;  // [rows, outputs padded to 16], rows acc_stride apart
  int64_t acc_stride;
  int64_t row_begin;
  int64_t rows;
  int64_t n_begin;
  int64_t outputs;
};

// What a thread's registers have to be set to around calls of tiles.
enum class LinearMode : uint8_t {
  kDefault,
  kFlush,  // subnormals are flushed (MXCSR): NUM-P2 and NUM-A32 from fp32 instructions
  kAmx,    // tiles are configured
};

// Tiles may read up to kLinearOverread bytes behind their packed rows: a register that holds more rows than there are.
inline constexpr int64_t kLinearOverread = 1024;

// Which tile for how many rows is speed alone: a chain has one order in all of them.
struct LinearKernels {
  LinearMode mode;
  LinearTile few;     // up to few.rows_max rows: bound by reading the weights
  LinearTile many;    // bound by arithmetic
  LinearTile tokens;  // of linear_weight_grad(), where k are tokens
  // Adds the bias, rounds where the output is bf16 (NUM-BF16), and stores. Keeps subnormals: not to be called in
  // LinearMode::kFlush.
  void (*store)(const LinearOutput& to, const LinearBlock& block);
};

void linear_store_avx2(const LinearOutput& to, const LinearBlock& block);
void linear_store_avx512(const LinearOutput& to, const LinearBlock& block);

LinearKernels linear_fma32_avx2();
LinearKernels linear_fma32_avx512();
LinearKernels linear_fma32_avx512bf16();
LinearKernels linear_tc16_avx2();
LinearKernels linear_tc16_avx512();
LinearKernels linear_amx32_avx2();
LinearKernels linear_amx32_avx512();
LinearKernels linear_amx32_amx();

}  // namespace invar
