#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/linear_store_body.h"

namespace invar {

void linear_store_avx512(const LinearOutput& to, const LinearBlock& block) { store_block(to, block); }

}  // namespace invar
