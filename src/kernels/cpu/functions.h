// NUM-EXP, NUM-EXP2P, NUM-LOG, NUM-LOG1P, NUM-SILU and NUM-BF16 over arrays, per SIMD tier: what
// the kernels inline, made callable so that tests can hold it to the scalar functions.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar::cpu {

struct FloatArray {
  const float* x;  // [count]
  int64_t count;   // >= 0, any
};

struct FunctionKernels {
  void (*exp)(FloatArray in, float* out);
  void (*exp2p)(FloatArray in, float* out);
  void (*log)(FloatArray in, float* out);
  void (*log1p)(FloatArray in, float* out);
  void (*silu)(FloatArray in, float* out);
  void (*to_bf16)(FloatArray in, bf16* out);
};

extern const FunctionKernels kFunctionsAvx2;
extern const FunctionKernels kFunctionsAvx512;

}  // namespace invar::cpu
