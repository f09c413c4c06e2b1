// Tier avx512 of linear(), profile fma32.
#include "kernels/cpu/linear_fma_avx512.h"

namespace invar {

LinearKernels linear_fma32_avx512() { return {.flush = true, .few = kFmaFewAvx512, .many = kFmaManyAvx512}; }

}  // namespace invar
