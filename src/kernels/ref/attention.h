// attention and kv_write, the scalar specification (docs/numerics.md, NUM-ATTN).
#pragma once

#include "kernels/attention.h"

namespace invar::ref {

// As invar::attention and invar::kv_write, on one thread. c: fp32(scale * log2(e)), as NUM-ATTN says.
void attention(Profile profile, const AttentionArgs& args, float c);
void kv_write(const KvWriteArgs& args);

}  // namespace invar::ref
