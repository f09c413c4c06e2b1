// What an instruction-set tier supplies for linear(): tiles. linear_driver.cc owns blocking, threads, the flush of
// NUM-P2 and the epilogue, so a tier is arithmetic alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

// One call of a tile: acc[r, n] continues its chain over k for `rows` rows and 16 `panels` outputs.
struct LinearTileArgs {
  const std::byte* x;  // [k / 16, rows] groups, as pack_rows wrote them
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

// Rows of activations to be packed for a tile, group by group: out [k_padded / 16, rows].
struct LinearPackArgs {
  const bf16* x;  // [rows, k], rows x_stride apart
  int64_t x_stride;
  int64_t k;  // any; padded with zeros to a multiple of 16
  int64_t rows;
  std::byte* out;
};

struct LinearTile {
  int rows_max;      // rows of a tile, at least 1
  int panels_max;    // panels of a tile, at least 1
  int64_t k_chunk;   // k of a call at most, a multiple of 16; 0: the whole chain
  int row_bytes;     // packed bytes of one activation
  int weight_bytes;  // expanded bytes of one k of a panel; 0: tiles read the packed panel itself
  void (*pack_rows)(const LinearPackArgs& args);
  void (*expand)(const bf16* panel, int64_t k, std::byte* out);  // one panel, or a part of it from a group on
  void (*run)(const LinearTileArgs& args);
};

// Which tile for how many rows is speed alone: a chain has one order in all of them.
struct LinearKernels {
  bool flush;       // run with subnormals flushed (MXCSR): NUM-P2 from fp32 instructions
  LinearTile few;   // up to few.rows_max rows: bound by reading the weights
  LinearTile many;  // bound by arithmetic
};

LinearKernels linear_fma32_avx2();
LinearKernels linear_fma32_avx512();
LinearKernels linear_fma32_avx512bf16();
LinearKernels linear_tc16_avx2();
LinearKernels linear_tc16_avx512();

}  // namespace invar
