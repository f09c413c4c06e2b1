#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/h16_avx512.h"

#include "kernels/cpu/attention_dp.h"
#include "kernels/cpu/attention_h16.h"

namespace invar::cpu {

AttentionKernels attention_avx512bf16(Profile profile) {
  return profile == Profile::kFma32 ? attention_kernels<DpDot>() : attention_kernels<H16Dot>();
}

}  // namespace invar::cpu
