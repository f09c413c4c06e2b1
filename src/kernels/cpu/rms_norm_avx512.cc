#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/rms_norm_body.h"

namespace invar::cpu {

void rms_norm_avx512(const RmsNormArgs& args, RowRange rows) { rms_norm_rows(args, rows); }

}  // namespace invar::cpu
