// model_fingerprint: one digest for everything but the request that decides the bits of a result. NUM-DIGEST.
#pragma once

#include <string>
#include <string_view>

#include "model/config.h"
#include "nn/linear.h"  // Profile

namespace invar {

// 64 hex digits: SHA-256 of the text that NUM-DIGEST (docs/numerics.md) writes down. weights_digest:
// WeightDigest::combined(). Errors: impossible parameters of RoPE.
Result<std::string> model_fingerprint(const ModelConfig& config, Profile profile,
                                      std::string_view weights_digest);

}  // namespace invar
