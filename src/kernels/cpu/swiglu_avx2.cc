#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/swiglu_body.h"

namespace invar::cpu {

void swiglu_avx2(const SwigluArgs& args, RowRange rows) { swiglu_rows(args, rows); }

}  // namespace invar::cpu
