// linear, the specification: scalar, from numerics/ alone.
#pragma once

#include "kernels/linear.h"

namespace invar {

// See linear(). Arguments have been checked.
void linear_ref(Queue& queue, const LinearArgs& args);

}  // namespace invar
