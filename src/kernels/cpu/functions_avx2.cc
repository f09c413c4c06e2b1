#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/functions_body.h"

namespace invar::cpu {

extern const FunctionKernels kFunctionsAvx2{.exp = exp_array,
                                            .exp2p = exp2p_array,
                                            .log = log_array,
                                            .log1p = log1p_array,
                                            .silu = silu_array,
                                            .to_bf16 = bf16_array};

}  // namespace invar::cpu
