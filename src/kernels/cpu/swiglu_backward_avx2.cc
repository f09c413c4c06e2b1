#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/swiglu_backward_body.h"

namespace invar::cpu {

void swiglu_backward_avx2(const SwigluBackwardArgs& args, RowRange rows) { swiglu_backward_rows(args, rows); }

}  // namespace invar::cpu
