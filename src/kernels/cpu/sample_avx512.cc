#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/sample_body.h"

namespace invar::cpu {

extern const SampleKernels kSampleAvx512 = kSampleKernels;

}  // namespace invar::cpu
