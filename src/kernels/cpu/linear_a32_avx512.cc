// Tier avx512 of linear(), profile amx32.
#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/linear_a32_body.h"

namespace invar {

LinearKernels linear_amx32_avx512() { return kA32Kernels; }

}  // namespace invar
