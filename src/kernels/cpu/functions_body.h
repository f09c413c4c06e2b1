// The text of cpu/functions.h for both SIMD tiers; include a simd_*.h first.
#pragma once

#include "kernels/cpu/functions.h"
#include "numerics/functions.h"

namespace invar {
namespace {

template <class Function>
INVAR_SIMD void map_array(cpu::FloatArray in, float* out, const Function& function) {
  int64_t i = 0;
  for (; i + 16 <= in.count; i += 16) store_f32(out + i, function(load_f32(in.x + i)));
  if (const int64_t n = in.count - i; n > 0) store_f32(out + i, function(load_f32(in.x + i, n)), n);
}

void exp_array(cpu::FloatArray in, float* out) {
  map_array(in, out, [](F32x16 x) { return num::exp(x); });
}
void exp2p_array(cpu::FloatArray in, float* out) {
  map_array(in, out, [](F32x16 x) { return num::exp2p(x); });
}
void log_array(cpu::FloatArray in, float* out) {
  map_array(in, out, [](F32x16 x) { return num::log(x); });
}
void log1p_array(cpu::FloatArray in, float* out) {
  map_array(in, out, [](F32x16 x) { return num::log1p(x); });
}
void silu_array(cpu::FloatArray in, float* out) {
  map_array(in, out, [](F32x16 x) { return num::silu(x); });
}
void bf16_array(cpu::FloatArray in, bf16* out) {
  int64_t i = 0;
  for (; i + 16 <= in.count; i += 16) store_bf16(out + i, load_f32(in.x + i));
  if (const int64_t n = in.count - i; n > 0) store_bf16(out + i, load_f32(in.x + i, n), n);
}

constexpr cpu::FunctionKernels kFunctionKernels{.exp = exp_array,
                                                .exp2p = exp2p_array,
                                                .log = log_array,
                                                .log1p = log1p_array,
                                                .silu = silu_array,
                                                .to_bf16 = bf16_array};

}  // namespace
}  // namespace invar
