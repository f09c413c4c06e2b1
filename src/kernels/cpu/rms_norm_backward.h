// What a tier of rms_norm_backward supplies: rows with a sum of their gain gradients in memory of the caller.
#pragma once

#include "kernels/rms_norm_backward.h"
#include "kernels/tiers.h"

namespace invar {

// Memory of one share of the rows.
struct NormGainSum {
  int64_t* tile;  // [C] of at most kGridTile vectors, zero on entry; or null where d_weight is
  int64_t* sum;   // [C], zero on entry
  bool overflow = false;
};

namespace cpu {
void rms_norm_backward_avx2(const RmsNormBackwardArgs& args, RowRange rows, NormGainSum& gain);
void rms_norm_backward_avx512(const RmsNormBackwardArgs& args, RowRange rows, NormGainSum& gain);
}  // namespace cpu

}  // namespace invar
