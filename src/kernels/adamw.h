// AdamW: the optimizer's update of one tensor.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "numerics/adamw.h"
#include "numerics/bf16.h"

namespace invar {

struct AdamwArgs {
  const int64_t* gradient;  // [size] sums of NUM-GRID, none of them flagged
  float* m;                 // [size] first moment; 0 before the first step
  float* v;                 // [size] second moment; likewise
  float* master;            // [size] the weight in fp32
  bf16* weight;             // [size] the weight that the forward reads, written only
  int64_t size;             // >= 0
  AdamWStep step;
};

// g = gradient 2^-40 scale;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
// master -= lr (m m_correction / (sqrt(v) v_correction + eps) + weight_decay master);  weight = bf16(master)
//
// Numerics  NUM-ADAMW; the weight is NUM-BF16 of the master.
// Batch     Each element by itself.
// Threads   Elements are divided between threads.
// Cost      Reads 20 and writes 14 bytes an element; memory-bound.
void adamw(Queue& queue, const AdamwArgs& args);

}  // namespace invar
