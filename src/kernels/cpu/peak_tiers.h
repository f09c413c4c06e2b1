// The loops of peak_product_loop(), one a tier.
#pragma once

#include <cstdint>

namespace invar {

double peak_fma_avx2(int64_t iterations);
double peak_fma_avx512(int64_t iterations);
double peak_dp_avx512bf16(int64_t iterations);
double peak_amx(int64_t iterations);

}  // namespace invar
