// The text of a response and where each token's part of it ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace invar {

struct SampleText {
  std::string text;                 // without special tokens, cut before the stop string: as the engine gives it
  std::vector<int32_t> token_ends;  // [tokens] bytes of `text` up to and including each token, ascending
  bool stopped = false;             // by a stop string
};

// Of tokens that end within one character, the first ends inside the character: who shows the text must not cut there.
SampleText sample_text(const Tokenizer& tokenizer, std::span<const int32_t> tokens,
                       const std::vector<std::string>& stops);

}  // namespace invar
