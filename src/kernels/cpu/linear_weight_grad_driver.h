// Blocking, packing and threads of linear_weight_grad() around the tiles of a tier.
#pragma once

#include "kernels/cpu/linear_kernels.h"
#include "kernels/cpu/linear_weight_grad_kernels.h"
#include "kernels/linear_weight_grad.h"

namespace invar {

// See linear_weight_grad(). Arguments have been checked. The tiles are those of linear(): of dy^T and x^T, one takes
// the place of their rows and the other that of their weight; tokens are their k.
void linear_weight_grad_tiled(Queue& queue, const LinearWeightGradArgs& args, const LinearKernels& kernels,
                              const GridKernels& grid);

}  // namespace invar
