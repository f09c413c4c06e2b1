#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/h16_avx2.h"

#include "kernels/cpu/attention_h16.h"
#include "kernels/cpu/attention_p2.h"

namespace invar::cpu {

AttentionKernels attention_avx2(Profile profile) {
  return profile == Profile::kTc16 ? attention_kernels<H16Dot>() : attention_kernels<P2Dot>();
}

}  // namespace invar::cpu
