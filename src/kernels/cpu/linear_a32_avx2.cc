// Tier avx2 of linear(), profile amx32.
#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/linear_a32_body.h"

namespace invar {

LinearKernels linear_amx32_avx2() { return kA32Kernels; }

}  // namespace invar
