#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/h16_avx512.h"

#include "kernels/cpu/attention_backward_body.h"
#include "kernels/cpu/attention_backward_h16.h"
#include "kernels/cpu/attention_backward_p2.h"

namespace invar::cpu {

AttentionBackwardKernels attention_backward_avx512(Profile profile) {
  return profile == Profile::kTc16 ? attention_backward_kernels<H16Product>()
                                   : attention_backward_kernels<P2Product>();
}

}  // namespace invar::cpu
