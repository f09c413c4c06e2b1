// The chains of NUM-DOT, by profile, for the specification.
#pragma once

#include "kernels/queue.h"
#include "numerics/a32.h"
#include "numerics/h16.h"
#include "numerics/p2.h"

namespace invar::ref {

// Of products with weights, and of their gradients: from acc over n terms, n a multiple of 16. a, w: [n].
inline float linear_chain(Profile profile, float acc, const bf16* a, const bf16* w, int64_t n) {
  switch (profile) {
    case Profile::kTc16: return dot_h16(acc, a, w, n);
    case Profile::kAmx32: return dot_a32(acc, a, w, n);
    default: return dot_p2(acc, a, w, n);
  }
}

// Of attention. amx32 has the chain of fma32 here.
inline float attention_chain(Profile profile, float acc, const bf16* a, const bf16* w, int64_t n) {
  return profile == Profile::kTc16 ? dot_h16(acc, a, w, n) : dot_p2(acc, a, w, n);
}

}  // namespace invar::ref
