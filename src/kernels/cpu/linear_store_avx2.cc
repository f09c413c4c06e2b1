#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/linear_store_body.h"

namespace invar {

void linear_store_avx2(const LinearOutput& to, const LinearBlock& block) { store_block(to, block); }

}  // namespace invar
