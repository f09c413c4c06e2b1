#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/rms_norm_body.h"

namespace invar::cpu {

void rms_norm_avx2(const RmsNormArgs& args, RowRange rows) { rms_norm_rows(args, rows); }

}  // namespace invar::cpu
