#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/rope_body.h"

namespace invar::cpu {

void rope_avx2(const RopeArgs& args, RowRange rows) { rope_rows(args, rows); }

}  // namespace invar::cpu
