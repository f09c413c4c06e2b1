// attention_backward, the scalar specification (docs/numerics.md, NUM-ATTN-BWD).
#pragma once

#include "kernels/attention_backward.h"

namespace invar::ref {

// As invar::attention_backward, on one thread. c: fp32(scale * log2(e)), as NUM-ATTN says.
void attention_backward(Profile profile, const AttentionBackwardArgs& args, float c);

}  // namespace invar::ref
