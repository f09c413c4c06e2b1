#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/grid_sum_body.h"

#include "kernels/cpu/linear_weight_grad_body.h"

namespace invar {

GridKernels grid_kernels_avx512() { return kGridKernels; }

}  // namespace invar
