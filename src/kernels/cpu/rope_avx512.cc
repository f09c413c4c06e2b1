#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/rope_body.h"

namespace invar::cpu {

void rope_avx512(const RopeArgs& args, RowRange rows) { rope_rows(args, rows); }

}  // namespace invar::cpu
