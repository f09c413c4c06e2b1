#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/grid_sum_body.h"

#include "kernels/cpu/adamw_body.h"

namespace invar::cpu {

void adamw_avx2(const AdamwArgs& args, RowRange elements) { adamw_elements(args, elements); }

}  // namespace invar::cpu
