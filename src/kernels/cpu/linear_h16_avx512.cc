// Tiers avx512 and avx512bf16 of linear(), profile tc16.
#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/h16_avx512.h"

#include "kernels/cpu/linear_h16_body.h"

namespace invar {

LinearKernels linear_tc16_avx512() { return kH16Kernels; }

}  // namespace invar
