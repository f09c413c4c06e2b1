// Tier avx512 of linear(), profile fma32.
#include "kernels/cpu/linear_fma_avx512.h"

namespace invar {

LinearKernels linear_fma32_avx512() {
  return {.mode = LinearMode::kFlush,
          .few = kFmaFewAvx512,
          .many = kFmaManyAvx512,
          .tokens = kFmaManyAvx512,
          .store = linear_store_avx512};
}

}  // namespace invar
