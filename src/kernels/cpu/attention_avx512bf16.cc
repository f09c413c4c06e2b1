#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/h16_avx512.h"

#include "kernels/cpu/attention_dp.h"
#include "kernels/cpu/attention_h16.h"

namespace invar::cpu {

AttentionKernels attention_avx512bf16(Profile profile) {
  return profile == Profile::kTc16 ? attention_kernels<H16Dot>() : attention_kernels<DpDot>();
}

}  // namespace invar::cpu
