#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/rope_backward_body.h"

namespace invar::cpu {

void rope_backward_avx2(const RopeBackwardArgs& args, RowRange rows) { rope_backward_rows(args, rows); }

}  // namespace invar::cpu
