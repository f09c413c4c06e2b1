// NUM-H16 for 16 outputs under one name for all tiers; include a simd_*.h and the matching h16_*.h first.
#pragma once

namespace invar {
namespace {

#ifdef __AVX512F__
INVAR_SIMD F32x16 h16_step(F32x16 c, const H16Row& row, const H16Weights& w) {
  return F32x16(h16_step_avx512(c.v, row, w));
}
INVAR_SIMD void h16_expand_weights(const bf16* lines, H16Weights* out) {
  h16_expand_weights_avx512(lines, out);
}
INVAR_SIMD void h16_expand_row(const bf16* x, H16Row* out) { h16_expand_row_avx512(x, out); }
#else
INVAR_SIMD F32x16 h16_step(F32x16 c, const H16Row& row, const H16Weights& w) {
  return {h16_step_avx2(c.lo, row, w, 0), h16_step_avx2(c.hi, row, w, 1)};
}
INVAR_SIMD void h16_expand_weights(const bf16* lines, H16Weights* out) {
  h16_expand_weights_avx2(lines, out);
}
INVAR_SIMD void h16_expand_row(const bf16* x, H16Row* out) { h16_expand_row_avx2(x, out); }
#endif

}  // namespace
}  // namespace invar
