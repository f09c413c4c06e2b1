// The instruction that NUM-P2 is named after, for the self-check of the tier avx512bf16.
#pragma once

#include "numerics/bf16.h"

namespace invar {

// out[n] = vdpbf16ps(acc[n]; a[n, 0..1], w[n, 0..1]) for 16 lanes n. Only where the CPU has it.
void dpbf16_lanes(const float* acc, const bf16* a, const bf16* w, float* out);

}  // namespace invar
