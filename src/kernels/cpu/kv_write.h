// kv_write for every SIMD tier: a copy needs nothing beyond the baseline.
#pragma once

#include "kernels/attention.h"

namespace invar::cpu {

void kv_write(Queue& queue, const KvWriteArgs& args);

}  // namespace invar::cpu
