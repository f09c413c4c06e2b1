#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/rms_norm_backward_body.h"

namespace invar::cpu {

void rms_norm_backward_avx512(const RmsNormBackwardArgs& args, RowRange rows, NormGainSum& gain) {
  rms_norm_backward_rows(args, rows, gain);
}

}  // namespace invar::cpu
