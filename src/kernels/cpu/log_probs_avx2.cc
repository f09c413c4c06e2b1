#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/log_probs_body.h"

namespace invar::cpu {

extern const LogProbsKernels kLogProbsAvx2{.max = max_logit, .mass_sum = mass_sum, .mass_sums = mass_sums};

}  // namespace invar::cpu
