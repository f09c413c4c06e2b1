// The transpose of a packed weight: with it the backward of linear() with respect to its input is linear() itself.
#pragma once

#include "base/thread_pool.h"
#include "kernels/linear.h"

namespace invar {

// weight [N, K] -> out [K, N], which has that shape already (packed_zeros(K, N)); writes all of it, padding included. A
// permutation: no bits. Then dx = dy W, dx[t, k] = sum_n dy[t, n] W[n, k], is
//   linear(queue, {.x = dy, .weight = &out, ...}),
// one NUM-DOT chain over ascending n. Tiles of 16 x 16 are divided between threads; reads and writes 2 N K bytes.
void pack_transposed(const PackedWeight& weight, PackedWeight& out, ThreadPool& pool);

}  // namespace invar
