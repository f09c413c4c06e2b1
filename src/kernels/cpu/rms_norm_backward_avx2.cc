#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/rms_norm_backward_body.h"

namespace invar::cpu {

void rms_norm_backward_avx2(const RmsNormBackwardArgs& args, RowRange rows, NormGainSum& gain) {
  rms_norm_backward_rows(args, rows, gain);
}

}  // namespace invar::cpu
