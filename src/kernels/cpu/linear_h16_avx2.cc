// Tier avx2 of linear(), profile tc16.
#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/h16_avx2.h"

#include "kernels/cpu/linear_h16_body.h"

namespace invar {

LinearKernels linear_tc16_avx2() { return kH16Kernels; }

}  // namespace invar
