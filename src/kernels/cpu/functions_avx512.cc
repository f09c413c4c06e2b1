#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/functions_body.h"

namespace invar::cpu {

extern const FunctionKernels kFunctionsAvx512 = kFunctionKernels;

}  // namespace invar::cpu
