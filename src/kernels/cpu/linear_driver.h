// Blocking, threads and epilogue of linear() around the tiles of a tier.
#pragma once

#include "kernels/cpu/linear_kernels.h"
#include "kernels/linear.h"

namespace invar {

// The tiles of a queue's profile and tier, which is not ref.
LinearKernels linear_kernels(const Queue& queue);

// See linear(). Arguments have been checked; rows > 0.
void linear_tiled(Queue& queue, const LinearArgs& args, const LinearKernels& kernels);

}  // namespace invar
