#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/sample_body.h"

namespace invar::cpu {

extern const SampleKernels kSampleAvx2 = kSampleKernels;

}  // namespace invar::cpu
