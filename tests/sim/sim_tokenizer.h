// A tokenizer of 64 tokens: letters alone and in pairs, and the halves of characters of two bytes.
#pragma once

#include "text/tokenizer.h"

namespace invar {

inline constexpr int64_t kSimTokens = 64;

// It lives as long as the program.
const Tokenizer& sim_tokenizer();

}  // namespace invar
