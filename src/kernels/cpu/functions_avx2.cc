#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/functions_body.h"

namespace invar::cpu {

extern const FunctionKernels kFunctionsAvx2 = kFunctionKernels;

}  // namespace invar::cpu
