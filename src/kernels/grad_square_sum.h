// The part of a gradient's norm that one tensor contributes.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/queue.h"
#include "numerics/square_sum.h"

namespace invar {

// sum_i gradient[i]^2, exact (NUM-GRADNORM): tensors, shards and ranks may be added in any order, with add_to().
// gradient: [size] sums of NUM-GRID, none of them flagged. Elements are divided between threads; memory-bound.
SquareSum grad_square_sum(const Queue& queue, std::span<const int64_t> gradient);

}  // namespace invar
