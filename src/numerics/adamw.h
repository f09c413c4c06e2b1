// NUM-ADAMW (docs/numerics.md): one step of AdamW (Loshchilov and Hutter, arXiv:1711.05101) for one element, in fp32.
// One text for a float and for SIMD types, as numerics/functions.h.
#pragma once

#include <cstdint>

#include "numerics/scalar.h"

namespace invar {

// The numbers of a step that all elements share.
struct AdamWStep {
  float lr;              // learning rate of this step
  float beta1;           // of the first moment
  float beta2;           // of the second
  float eps;             // added to the root of the second moment
  float weight_decay;    // decoupled: multiplied by lr
  float m_correction;    // 1 / (1 - beta1^step)
  float v_correction;    // 1 / sqrt(1 - beta2^step)
  float gradient_scale;  // of the summed gradient: 1 / denominator, times the clip factor
};

// The two corrections of step `step` >= 1, from powers by repeated squaring in binary64, each rounded once to fp32.
INVAR_INLINE void adamw_set_corrections(AdamWStep& step, int64_t number) {
  const auto power = [](double base, int64_t exponent) {
    double result = 1.0;
    for (; exponent > 0; exponent /= 2, base = base * base)
      if (exponent % 2 != 0) result = result * base;
    return result;
  };
  step.m_correction = static_cast<float>(1.0 / (1.0 - power(step.beta1, number)));
  step.v_correction = static_cast<float>(1.0 / __builtin_sqrt(1.0 - power(step.beta2, number)));
}

namespace num {

// gradient: the element of the sum, before gradient_scale. m, v, master are updated.
template <class F>
INVAR_INLINE void adamw(const AdamWStep& step, F gradient, F& m, F& v, F& master) {
  const F g = gradient * F(step.gradient_scale);
  m = fma(F(step.beta1), m, F(1.0f - step.beta1) * g);
  v = fma(F(step.beta2), v, (F(1.0f - step.beta2) * g) * g);
  const F root = sqrt(v) * F(step.v_correction) + F(step.eps);
  const F update = fma(F(step.weight_decay), master, (m * F(step.m_correction)) / root);
  master = fma(F(-step.lr), update, master);
}

}  // namespace num
}  // namespace invar
